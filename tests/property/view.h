/* view.h - the whole data of a namespace as sorted lines of text.
 *
 * One line is one field: `<key> <field> = <value>`, without the namespace. The model renders what
 * must be there, the real data set is read and rendered the same way; equal data are equal lines.
 * Formats that are the functions' own (records, the packed settings) are brought into a neutral
 * form or left out; what model.md describes as public is compared byte by byte.
 */
#ifndef PM_VIEW_H
#define PM_VIEW_H

#include "lib/redis.h"
#include "property/model.h"

struct pm_view {
    char **lines;
    size_t count;
    size_t room;
};

void pm_view_clear(struct pm_view *view);
/* What must be in Redis. */
void pm_view_of_model(struct pm_view *view, struct pm_state *state);
/* What is in Redis, from the reply of PM_VIEW_SCRIPT; false when a record cannot be read. */
bool pm_view_of_redis(struct pm_view *view, const redisReply *reply, long long now);
/* EVAL_RO <script> 0: every key of the namespace with its type, its expiry and all it holds. */
extern const char *const pm_view_script;
/* The first line that differs; false when none does. */
bool pm_view_differs(const struct pm_view *wanted, const struct pm_view *real, char *text,
                     size_t size);

/* A connection's record as it really stands. */
struct pm_view_record {
    bool found;
    const char *sessions; /* ",a,b," */
    size_t length;
};
struct pm_view_record pm_view_record(char *const *lines, size_t count, const char *instance,
                                     const char *incarnation, const char *connection);
bool pm_view_lists(const struct pm_view_record *record, const char *session);

#endif
