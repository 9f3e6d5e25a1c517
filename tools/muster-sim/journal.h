/* journal.h - what an instance says on stdout, and the anomalies and errors that it noticed.
 *
 * Each line is one JSON object, written at once with one write(2):
 *     {"sim":"entered","instance":"node-1","incarnation":"k3f…","at":ms, …}
 * `at` is this machine's clock, for readers only.
 */
#ifndef MU_SIM_JOURNAL_H
#define MU_SIM_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/status.h"

struct mu_journal;

/* Writes to file descriptor `fd` (not owned). `instance` is copied; NULL: lines name none. */
struct mu_journal *mu_journal_create(int fd, const char *instance);
void mu_journal_destroy(struct mu_journal **journal);

/* Named in every line from now on. */
void mu_journal_set_incarnation(struct mu_journal *journal, const char *incarnation);

/* `fields` (may be NULL) is an object whose members follow the common ones; its reference is taken
 * over. */
void mu_journal_line(struct mu_journal *journal, const char *what, json_t *fields);

/* Something that no sound muster does: printed at once, kept for the report. `session` may be
 * NULL. */
void mu_journal_anomaly(struct mu_journal *journal, const char *kind, const char *session,
                        const char *text);
/* What is an anomaly only if this incarnation turns out to have lived on in the same generation. */
void mu_journal_suspect(struct mu_journal *journal, const char *kind, const char *session,
                        const char *text);
/* How many were ever suspected. */
uint64_t mu_journal_suspected(const struct mu_journal *journal);
/* It lived on when `suspected` were: what of them still stands is an anomaly. Returns how many. */
size_t mu_journal_verify(struct mu_journal *journal, uint64_t suspected);
/* It did not: all are forgotten, and counted as excused. */
void mu_journal_excuse(struct mu_journal *journal);

/* No heartbeat has told yet whether the data are still the same: errors, but those of rights, are
 * only suspected. */
void mu_journal_doubt(struct mu_journal *journal, bool doubt);
/* A code that was not expected of `operation`. Each is counted, the first of a kind are printed. */
void mu_journal_error(struct mu_journal *journal, const char *operation, const char *subject,
                      enum muster_status status, const char *message);

/* Counters by name, for the report. */
void mu_journal_count(struct mu_journal *journal, const char *name, uint64_t add);
/* A counter of events, which are listed apart. */
void mu_journal_count_event(struct mu_journal *journal, const char *name);

/* Adds counts, events, errors and anomalies to the report. */
void mu_journal_report(const struct mu_journal *journal, json_t *report);

#endif
