/* daemon.h - a real musterd with a configuration of the test's own, and musterctl. */
#ifndef MT_DAEMON_H
#define MT_DAEMON_H

#include "lib/process.h"
#include "lib/redis.h"
#include "lib/server.h"

struct mt_daemon_options {
    const struct mt_server *server; /* external Redis; NULL: managed, in `state_dir` */
    const char *state_dir;          /* NULL: `<dir>/<name>.state` */
    const char *const *set;         /* `key=value` texts, ended by NULL; may be NULL */
    const char *program;            /* NULL: musterd of the build directory */
};

/* Starts it; logs (JSON lines, level debug) go to `<dir>/<name>.err`. */
struct mt_process *mt_daemon_start(struct mt_world *world, const char *name,
                                   const struct mt_daemon_options *options);
/* Waits for a log line of this event that was not waited for yet; lines before it are passed over.
 * The caller owns the object. Fails when the daemon ends. */
json_t *mt_daemon_wait(struct mt_process *daemon, const char *event);
/* The same, without the line. */
void mt_daemon_await(struct mt_process *daemon, const char *event);
/* Starts it and waits until it coordinates confirmed data. */
struct mt_process *mt_daemon_lead(struct mt_world *world, const char *name,
                                  const struct mt_daemon_options *options);

/* A connection to the managed server of a state directory. */
struct mt_redis *mt_managed_connect(struct mt_world *world, const char *state_dir);

/* musterctl with `--url` and `--namespace` of the server: exit code; *out (may be NULL) gets
 * stdout, the caller frees it. `command` ends with NULL. */
int mt_ctl(struct mt_world *world, const struct mt_server *server, const char *const command[],
           char **out);
/* Demands that fsck finds nothing; prints what it found otherwise. */
void mt_fsck(struct mt_world *world, const struct mt_server *server);
/* The same for the managed server of a state directory. */
void mt_fsck_managed(struct mt_world *world, const char *state_dir);

#endif
