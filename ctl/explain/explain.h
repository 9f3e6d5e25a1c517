/* explain.h - `musterctl explain session|connection|instance NAME`: why it is as it is, or why it
 * is gone, by the present state in Redis and by the journal.
 *
 * All of it is one JSON object, the story. It is printed as it is, or as sentences:
 *
 *     explain, name        what was asked for
 *     now                  Redis's time
 *     found                false: neither the present state nor the journal knows it
 *     verdict              the answer, in sentences
 *     state                what stands in Redis; null: nothing
 *     history              what the journal tells of it, the oldest first; `because` of an entry:
 *                          what became of the instance behind it
 *     omitted              entries about it that were left out: beyond --limit, only the newest of
 *                          each kind is kept
 *     journal              `entries`, `from` (time of the oldest; null: there is none), `error`
 *
 * The journal tells what happened to a client without its doing, and only for a while
 * (docs/ARCHITECTURE.md). What is not in it is said to be one of two: done by the client itself, or
 * older than the journal.
 */
#ifndef MU_CTL_EXPLAIN_H
#define MU_CTL_EXPLAIN_H

#include <jansson.h>

#include "ctl.h"

#define MU_EXPLAIN_LIMIT 20 /* entries of a history, if --limit does not say otherwise */

struct mu_explain {
    struct mu_ctl *ctl;
    const char *name;
    int64_t now;
    size_t limit;
    json_t *story; /* owned */
};

/* explain.c */
enum mu_ctl_exit mu_ctl_explain(struct mu_ctl *ctl);

/* One file a kind: fills `state`, `history`, `verdict` and `found` of the story. */
void mu_explain_session(struct mu_explain *explain);
void mu_explain_connection(struct mu_explain *explain);
void mu_explain_instance(struct mu_explain *explain);

/* ---- journal.c ---- */

/* Appends what this entry says of the thing, if it does, to `facts`: objects of its own. */
typedef void (*mu_explain_select)(const char *name, const json_t *entry, json_t *facts);
/* Reads the journal and puts `history`, `omitted` and `journal` into the story. */
void mu_explain_history(struct mu_explain *explain, mu_explain_select select);
/* A copy of `entry` without the list `name`; of more facts about one entry each gets its own. */
json_t *mu_explain_fact(const json_t *entry, const char *list);

/* ---- text.c ---- */

const char *mu_explain_text(const json_t *object, const char *name); /* "" when it is not there */
int64_t mu_explain_number(const json_t *object, const char *name);   /* 0 */
const char *mu_explain_reason(const char *reason);                   /* half a sentence */
#define MU_TIME_SIZE 72
/* "2026-11-24 18:40:01.123 +0000 (3m12s ago)" */
char *mu_explain_time(char out[MU_TIME_SIZE], int64_t now, int64_t at);
/* What stands behind an entry of an instance: signal, silence, who said so. Not NULL; free(). */
char *mu_explain_why(const json_t *entry);
/* Formats; free(). */
char *mu_explain_format(const char *format, ...) MU_PRINTF(1, 2);
/* The honest end of a story without an entry: how far was looked back for what `did` it ("ended
 * it"), and what it may have been: what a client does itself (`own`, NULL: nothing of that kind),
 * or something older. free(). */
char *mu_explain_nothing(const struct mu_explain *explain, const char *did, const char *own);
#define MU_OWN_DOING "its client's own doing (LEAVE, UNREGISTER, JOIN with exclusive)"
/* The story as sentences. */
void mu_explain_show(const struct mu_explain *explain, FILE *out);

/* ---- what they share of Redis ---- */

/* Is `owner` ("<instance>:<incarnation>") registered, and how: NULL: up and not draining; else what
 * keeps its members from leading: "suspect", "draining", "gone". */
const char *mu_explain_hindrance(struct mu_explain *explain, const char *instance,
                                 const char *incarnation);

#endif
