/* plugin.h - the plugin's state, and what its files do for each other. On the loop's thread. */
#ifndef JWT_PLUGIN_H
#define JWT_PLUGIN_H

#include "file.h"
#include "keys.h"
#include "refusal.h"
#include "settings.h"

struct jwt_question; /* one token that waits or is verified; verify.c */
struct jwt_look;     /* one look at the file, on a thread; watch.c */

struct jwt_plugin {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct jwt_settings *settings;
    struct jwt_keys *keys; /* those that count now */
    bool stopping;
    char sentence[200]; /* why the last denial of an authorization was one: read at once */

    /* verify.c */
    struct jwt_question *first; /* those that wait, oldest first */
    struct jwt_question **last;
    uint64_t waiting;
    unsigned batches; /* under way on threads */

    /* watch.c */
    struct muster_timer *timer;
    struct jwt_look *look;    /* under way; NULL: none */
    struct jwt_stamp stamp;   /* of the file whose keys are in use */
    struct jwt_stamp refused; /* of the file that was complained of last, or that in use */

    struct muster_metric *verified;
    struct muster_metric *refusals[JWT_CLASSES];
    struct muster_metric *keys_loaded;
    struct muster_metric *reloads;
    struct muster_metric *reload_failures;
};

/* ---- verify.c: tokens, verified on threads ---- */

enum muster_verdict jwt_authenticate(void *state, struct muster_handle handle,
                                     const struct muster_credentials *credentials,
                                     struct muster_decision *decision);
/* Gives what waits to threads, as far as there are some. */
void jwt_dispatch(struct jwt_plugin *jwt);
/* Wipes and drops what still waits. */
void jwt_forget_waiting(struct jwt_plugin *jwt);

/* ---- watch.c: the file of keys ---- */

/* Reads the keys of `settings` at once. On OK they and the settings count from now on (both are
 * taken over); otherwise nothing changed. */
enum muster_status jwt_adopt(struct jwt_plugin *jwt, struct jwt_settings *settings,
                             struct muster_complaint *complaint);
void jwt_watch_start(struct jwt_plugin *jwt);
void jwt_watch_stop(struct jwt_plugin *jwt);

/* ---- plugin.c ---- */

/* Says that it has stopped, once it stops and nothing is under way any more. */
void jwt_settle(struct jwt_plugin *jwt);

#endif
