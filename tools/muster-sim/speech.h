/* speech.h - how an instance talks to muster, and what channels are called there.
 *
 * One of two ways, chosen once: functions and plain commands of Redis (speech_redis.c), or the RESP
 * door of a daemon (speech_door.c). Everything goes over one socket, in the order in which it is
 * asked for. When that ends, or cannot be had, the next of several addresses is tried.
 */
#ifndef MU_SIM_SPEECH_H
#define MU_SIM_SPEECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "digest.h"
#include "redis/address.h"
#include "registry/call.h"

struct mu_speech;

struct mu_speech_options {
    uv_loop_t *loop;
    const struct mu_redis_address *addresses; /* not copied, as what follows */
    size_t address_count;                     /* > 0 */
    bool door;                                /* they are of doors, not of Redis */
    const char *name_space;
    const char *instance;
    void *context;
    void (*on_up)(void *context);
    void (*on_down)(void *context, const struct mu_error *reason);
    /* Of a door: calls of this incarnation may still be carried out at any time. */
    void (*on_silent)(void *context);
};

/* A session with its members at one point. Valid during the callback. */
struct mu_snapshot {
    struct mu_view view;
    const char *const *own; /* connections that are members of the present incarnation */
    size_t own_count;
    bool gradual; /* who joined after `view` may be missing */
};

/* `snapshot` is NULL unless status is MUSTER_OK. */
typedef void (*mu_snapshot_cb)(void *context, enum muster_status status, const char *message,
                               const struct mu_snapshot *snapshot);
/* Who is registered under the own id; `incarnation` is NULL when nobody is. */
typedef void (*mu_standing_cb)(void *context, enum muster_status status, const char *incarnation);
typedef void (*mu_done_cb)(void *context, bool done);

struct mu_speech *mu_speech_create(const struct mu_speech_options *options);
/* Everything asked for ends; then `closed`. No other callback of the options after this. */
void mu_speech_close(struct mu_speech *speech, void (*closed)(void *context), void *context);
/* Once closed. */
void mu_speech_destroy(struct mu_speech **speech);

/* To another Redis at once; `address` is not copied. */
void mu_speech_move(struct mu_speech *speech, const struct mu_redis_address *address);

/* It has started: its members are the own ones from now on, and heartbeats name it. Copied. */
void mu_speech_set_incarnation(struct mu_speech *speech, const char *incarnation);

/* As a subscription names it: `instances`, `coordinator`, `session:<s>`, `session:*`. */
const char *mu_speech_events(const struct mu_speech *speech, char out[MU_KEY_SIZE],
                             const char *name);
const char *mu_speech_inbox(const struct mu_speech *speech, char out[MU_KEY_SIZE]);

/* In what follows: on MUSTER_OK the callback is called exactly once, later; else never. */

/* An operation, in lower case, with its arguments in the order of docs/PROTOCOL.md. */
enum muster_status mu_speech_call(struct mu_speech *speech, const char *operation, size_t count,
                                  const char *const *arguments, mu_answer_cb callback,
                                  void *context) MU_WARN_UNUSED;
/* The same, only if it can leave now. */
enum muster_status mu_speech_call_now(struct mu_speech *speech, const char *operation, size_t count,
                                      const char *const *arguments, mu_answer_cb callback,
                                      void *context) MU_WARN_UNUSED;
enum muster_status mu_speech_snapshot(struct mu_speech *speech, const char *session,
                                      mu_snapshot_cb callback, void *context) MU_WARN_UNUSED;
enum muster_status mu_speech_standing(struct mu_speech *speech, mu_standing_cb callback,
                                      void *context) MU_WARN_UNUSED;

/* A heartbeat without an answer; `done`: somebody listened. Not at a door. */
enum muster_status mu_speech_beat(struct mu_speech *speech, mu_done_cb callback,
                                  void *context) MU_WARN_UNUSED;

/* What is called here is heard behind everything that was published before: `done` says that it
 * went out, and a message of the mark's channel, for which mu_speech_is_mark() is true, comes
 * before or after that. */
enum muster_status mu_speech_mark(struct mu_speech *speech, uint64_t number, mu_done_cb callback,
                                  void *context) MU_WARN_UNUSED;
const char *mu_speech_mark_channel(const struct mu_speech *speech);
bool mu_speech_is_mark(const struct mu_speech *speech, const char *payload, size_t length,
                       uint64_t number);

#endif
