/* answer.h - the text of an answer. */
#ifndef PUBSUB_ANSWER_H
#define PUBSUB_ANSWER_H

#include "muster/types.h"

/* {"id":…,"ok":…} or {"id":…,"error":{"code","message","retry"}}. `id` is JSON. The result's JSON
 * is taken as it is. The caller frees it. */
char *pubsub_answer(const char *id, const struct muster_result *result, size_t *length);

/* A result of the door's own; `sentence` is borrowed. */
struct muster_result pubsub_error(enum muster_status status, const char *sentence);

#endif
