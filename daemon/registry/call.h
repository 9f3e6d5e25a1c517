/* call.h - calls a muster function on a link and reads its answer.
 *
 * Everything that calls functions asynchronously (the coordinator, muster-sim, later the doors)
 * goes this way. JSON is passed through untouched.
 */
#ifndef MU_REGISTRY_CALL_H
#define MU_REGISTRY_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "muster/types.h"
#include "redis/link.h"

struct mu_answer {
    enum muster_status status; /* MUSTER_OK, or the code that the function or the link gave */
    const char *json;          /* on MUSTER_OK; NUL-terminated; valid during the callback */
    size_t length;
    const char *message; /* otherwise: the sentence, without the code */
};

typedef void (*mu_answer_cb)(void *context, const struct mu_answer *answer);

/* FCALL muster_<operation> 1 {<name_space>} arguments…; `operation` in lower case. Arguments are
 * copied. At most 1024 of them. Status as mu_link_command(); on MUSTER_OK the callback is called
 * exactly once, later. An error reply of Redis that is not of muster's table (OOM, LOADING,
 * READONLY, NOSCRIPT-like "ERR Function not found") becomes UNAVAILABLE, others INTERNAL, with
 * Redis's text as the message. */
enum muster_status mu_call(struct mu_link *link, const char *name_space, const char *operation,
                           size_t count, const char *const *arguments, mu_answer_cb callback,
                           void *context) MU_WARN_UNUSED;
/* The same over mu_link_command_now(). */
enum muster_status mu_call_now(struct mu_link *link, const char *name_space, const char *operation,
                               size_t count, const char *const *arguments, mu_answer_cb callback,
                               void *context) MU_WARN_UNUSED;

/* mu_call() with counted arguments, which may hold any byte. */
enum muster_status mu_call_texts(struct mu_link *link, const char *name_space,
                                 const char *operation, size_t count,
                                 const struct muster_text *arguments, mu_answer_cb callback,
                                 void *context) MU_WARN_UNUSED;

/* Reads a reply of Redis to an FCALL into an answer (also for programs that use hiredis's own
 * synchronous calls). Points into `reply`. */
void mu_answer_read(const redisReply *reply, struct mu_answer *answer);

/* "{<name_space>}:<formatted>" into `out`; names are checked ids, so it fits when size is
 * MU_KEY_SIZE; longer is an abort. Returns out. */
#define MU_KEY_SIZE 640
char *mu_key(char out[MU_KEY_SIZE], const char *name_space, const char *format, ...)
    MU_PRINTF(3, 4);

#endif
