/* watch.c - the file of keys, and what happens when it changes.
 *
 * The happy path: a timer - a thread looks whether the file is another one than that which was read
 * last, and if so reads it - back on the loop its keys take the place of the old ones. Tokens that
 * are being verified go on with the keys they began with: sets are counted by reference and never
 * change.
 *
 * Ways to fail: the file is gone, unsafe or broken (said once for each state of the file; the old
 * keys stay); it changes while it is read (the next look is sooner or later luckier); no thread is
 * free (the next look); the settings are replaced meanwhile (what was found is dropped); the plugin
 * stops (it waits for the thread).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugin.h"

/* A thread owns all but `jwt` until it is done. */
struct jwt_look {
    struct jwt_plugin *jwt;
    struct jwt_settings *settings; /* a reference */
    struct jwt_stamp known;
    struct jwt_stamp found;
    struct jwt_keys *keys; /* NULL: nothing new, or something wrong */
    char wrong[JWT_WRONG_MAX];
};

static void use(struct jwt_plugin *jwt, struct jwt_keys *keys) {
    size_t before = jwt->keys != NULL ? jwt->keys->count : 0;
    jwt->host->metric_add(jwt->keys_loaded, (int64_t)keys->count - (int64_t)before);
    jwt_keys_unref(&jwt->keys);
    jwt->keys = keys;
    jwt->host->log(jwt->plugin, MUSTER_LOG_INFO, "keys_loaded", "%s: %zu keys, %zu passed over",
                   jwt->settings->jwks, keys->count, keys->skipped);
}

/* ---- looking ---- */

static void on_thread(void *context) {
    struct jwt_look *look = context;
    look->found = jwt_file_stamp(look->settings->jwks);
    if (!jwt_stamp_equal(&look->found, &look->known)) {
        look->keys = jwt_file_read(look->settings->jwks, &look->found, look->wrong);
    }
}

static void complain_once(struct jwt_plugin *jwt, const struct jwt_look *look) {
    if (jwt_stamp_equal(&jwt->refused, &look->found)) {
        return;
    }
    jwt->refused = look->found;
    jwt->host->metric_add(jwt->reload_failures, 1);
    jwt->host->log(jwt->plugin, MUSTER_LOG_ERROR, "keys_refused",
                   "%s; the keys that were read before stay in use", look->wrong);
}

static void on_looked(void *context) {
    struct jwt_look *look = context;
    struct jwt_plugin *jwt = look->jwt;
    jwt->look = NULL;
    if (jwt->stopping || look->settings != jwt->settings) {
        jwt_keys_unref(&look->keys);
    } else if (look->keys != NULL) {
        jwt->stamp = look->found;
        jwt->refused = look->found;
        jwt->host->metric_add(jwt->reloads, 1);
        use(jwt, look->keys);
    } else if (look->wrong[0] != '\0') {
        complain_once(jwt, look);
    } else if (jwt_stamp_equal(&look->found, &jwt->stamp)) {
        jwt->refused = jwt->stamp; /* it is back */
    }
    jwt_settings_unref(&look->settings);
    free(look);
    jwt_dispatch(jwt);
    jwt_settle(jwt);
}

static void on_timer(void *context) {
    struct jwt_plugin *jwt = context;
    struct jwt_look *look = jwt->look == NULL ? calloc(1, sizeof *look) : NULL;
    if (look == NULL) {
        return;
    }
    look->jwt = jwt;
    look->settings = jwt_settings_ref(jwt->settings);
    look->known = jwt->stamp;
    jwt->look = look;
    if (jwt->host->work(jwt->plugin, on_thread, on_looked, look) != MUSTER_OK) {
        jwt->look = NULL;
        jwt_settings_unref(&look->settings);
        free(look);
    }
}

void jwt_watch_start(struct jwt_plugin *jwt) {
    uint64_t interval = jwt->settings->check_interval_ms;
    jwt->timer = jwt->host->timer_start(jwt->plugin, interval, interval, on_timer, jwt);
}

void jwt_watch_stop(struct jwt_plugin *jwt) {
    if (jwt->timer != NULL) {
        jwt->host->timer_stop(jwt->plugin, &jwt->timer);
    }
}

/* ---- at once ---- */

enum muster_status jwt_adopt(struct jwt_plugin *jwt, struct jwt_settings *settings,
                             struct muster_complaint *complaint) {
    struct jwt_stamp stamp;
    char wrong[JWT_WRONG_MAX];
    struct jwt_keys *keys = jwt_file_read(settings->jwks, &stamp, wrong);
    if (keys == NULL) {
        snprintf(complaint->text, sizeof complaint->text, "jwks: %s",
                 wrong[0] != '\0' ? wrong : "changed while it was read");
        return MUSTER_BAD_REQUEST;
    }
    jwt_settings_unref(&jwt->settings);
    jwt->settings = settings;
    jwt->stamp = stamp;
    jwt->refused = stamp;
    use(jwt, keys);
    return MUSTER_OK;
}
