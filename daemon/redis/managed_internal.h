/* managed_internal.h - the state of a managed server, shared by its supervision (managed.c) and
 * its end (managed_stop.c). For these two only.
 */
#ifndef MU_REDIS_MANAGED_INTERNAL_H
#define MU_REDIS_MANAGED_INTERNAL_H

#include <hiredis/hiredis.h>

#include "base/buffer.h"
#include "base/ids.h"
#include "redis/connection.h"
#include "redis/managed.h"
#include "redis/managed_files.h"

#define MU_MANAGED_PREFIX "musterd:" /* client names that the stop rule looks for */
#define MU_MANAGED_ANSWER_MS 5000    /* a server that is silent for longer is not there */

enum mu_managed_state {
    MU_MANAGED_PREPARING, /* the directory, in the pool */
    MU_MANAGED_PROBING,   /* the connection tries; between two tries the lock is tried */
    MU_MANAGED_LOCKING,   /* in the pool; the connection goes on trying */
    MU_MANAGED_STARTING,  /* our child runs, but does not answer yet */
    MU_MANAGED_READY,
    MU_MANAGED_ENDING, /* the server is asked to end */
    MU_MANAGED_CLOSED,
};

enum mu_managed_failure { NO_FAILURE, BAD_DIRECTORY, BAD_SERVER, BAD_START, REFUSED, SILENT };

/* What is asked of the server: one thing at a time. */
enum mu_managed_question { NOTHING, INFO, PING, CLIENTS, SHUTDOWN };

struct mu_managed_child {
    uv_process_t process;
    struct mu_managed *owner; /* NULL: nobody cares any more */
};

struct mu_managed_job;

struct mu_managed {
    uv_loop_t *loop;
    struct mu_managed_options options; /* the strings are below */
    char *state_dir;
    char *server;
    char *appendfsync;
    char client_name[sizeof MU_MANAGED_PREFIX + sizeof "managed:" + MU_RANDOM_ID_SIZE];
    enum mu_managed_state state;
    struct mu_managed_files files; /* written by the first job, only read after it */
    struct mu_redis_address address;
    struct mu_connection *connection; /* NULL before the directory is prepared */
    struct mu_managed_job *job;       /* in the pool; NULL: none */
    struct mu_managed_child *child;   /* NULL when the server is not ours or has ended */
    uv_timer_t timer;
    struct mu_buffer output;
    enum mu_managed_question asked;
    uint64_t asked_at;
    bool late; /* the answer */
    bool program_checked;
    bool answered; /* by some server since the lock was last tried */
    int known_pid; /* of the server that the log was last told of */
    off_t log_from;
    unsigned failed_starts;
    uint64_t start_not_before;
    uint64_t waiting_since; /* for a server that answers */
    enum mu_managed_failure told;
    uint64_t told_at;
    bool closing;
    bool stop_server;
    bool in_use;        /* another daemon is connected, as far as was seen */
    unsigned looks;     /* how often that was looked at */
    bool shutdown_sent; /* or SIGTERM */
    uint64_t end_by;    /* 0: at once */
    void (*closed)(void *context);
    void *closed_context;
};

void mu_managed_ask(struct mu_managed *self, enum mu_managed_question question, size_t count,
                    const char *const *arguments);
void mu_managed_child_closed(uv_handle_t *handle);

/* The end, one step; called from the timer and whenever something happened while closing. */
void mu_managed_end_step(struct mu_managed *self);
/* An answer while closing. */
void mu_managed_end_reply(struct mu_managed *self, enum mu_managed_question asked,
                          const redisReply *reply);

#endif
