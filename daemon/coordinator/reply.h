/* reply.h - reads fields of the JSON that functions answer and events carry. */
#ifndef MU_COORDINATOR_REPLY_H
#define MU_COORDINATOR_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "registry/call.h"

/* The object that `answer` holds, to be given to json_decref(); NULL unless MUSTER_OK and an
 * object. */
json_t *mu_reply_object(const struct mu_answer *answer);
/* The same of any text. */
json_t *mu_reply_parse(const char *text, size_t length);

/* A whole number from 0; 0 when it is missing or something else. */
uint64_t mu_reply_number(const json_t *object, const char *key);
bool mu_reply_true(const json_t *object, const char *key);
/* Valid as long as `object`; NULL when it is missing, null or no text. */
const char *mu_reply_text(const json_t *object, const char *key);
/* The same, if it is a valid id. */
const char *mu_reply_id(const json_t *object, const char *key);

/* Calls `each` for every [session, rank] of the field `undecided` of elect's and sweep's answers.
 */
void mu_reply_undecided(const json_t *object,
                        void (*each)(void *context, const char *session, uint64_t rank),
                        void *context);

#endif
