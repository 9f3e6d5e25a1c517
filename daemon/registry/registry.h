/* registry.h - an operation becomes a function call or plain reads, and its result one JSON text.
 *
 * The happy path: a checked operation with its arguments - a write is one FCALL of muster_<name>,
 * passed through; a read is one pipelined batch of plain commands on the keys of model.md, and the
 * reply of replies.md is built from what Redis said, profiles and metas byte for byte - callback.
 *
 * Ways to fail: what mu_link_command() says at once; Redis not reached in the link's time
 * (UNAVAILABLE: nothing happened), no reply in time (TIMEOUT: the outcome of a write is unknown; a
 * read can be asked again); an error of the function; data that cannot be read (INTERNAL, with the
 * key).
 *
 * Reads answer while the data is unconfirmed, too: it is the functions that refuse to change it.
 */
#ifndef MU_REGISTRY_REGISTRY_H
#define MU_REGISTRY_REGISTRY_H

#include "base/error.h"
#include "registry/call.h"
#include "registry/operations.h"

struct mu_registry;

struct mu_registry_options {
    struct mu_link *link;   /* not owned */
    const char *name_space; /* copied */
    /* What STATUS says of daemons comes from Redis; this is the version of this one. */
    const char *version;
};

struct mu_registry *mu_registry_create(const struct mu_registry_options *options);
/* After every callback has come (close the link first). Clears the pointer. */
void mu_registry_destroy(struct mu_registry **registry);

/* Arguments are copied; their number and form was checked by the caller (mu_operations), except
 * what only Redis or the functions check. On MUSTER_OK the callback is called exactly once, later;
 * otherwise never: OVERLOADED, UNAVAILABLE (the link is closing), BAD_ID or BAD_REQUEST.
 * While the link is not open, requests wait in its bounded queue, up to its command timeout; a
 * caller with a shorter deadline answers by itself and ignores the callback. */
enum muster_status mu_registry_apply(struct mu_registry *registry, enum muster_operation operation,
                                     size_t count, const struct muster_text *arguments,
                                     mu_answer_cb callback, void *context) MU_WARN_UNUSED;

/* Why the last mu_registry_apply() returned something other than MUSTER_OK: a sentence, valid
 * until the next one. */
const char *mu_registry_refusal(const struct mu_registry *registry);

#endif
