#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"

#define KEPT_MAX 1000     /* anomalies, and suspicions, that are kept in full */
#define PRINTED_ERRORS 20 /* of one code */

struct mu_journal {
    int fd;
    char *instance; /* may be NULL */
    char incarnation[MU_ID_SIZE];
    json_t *counts; /* objects: name -> number */
    json_t *events;
    json_t *errors;
    json_t *anomalies; /* arrays of objects */
    json_t *suspicions;
    uint64_t anomaly_count;
    bool doubt;
    uint64_t suspected; /* ever; those that still stand are in `suspicions` */
};

struct mu_journal *mu_journal_create(int fd, const char *instance) {
    struct mu_journal *journal = mu_calloc(1, sizeof *journal);
    journal->fd = fd;
    journal->instance = instance ? mu_strdup(instance) : NULL;
    journal->counts = json_object();
    journal->events = json_object();
    journal->errors = json_object();
    journal->anomalies = json_array();
    journal->suspicions = json_array();
    return journal;
}

void mu_journal_destroy(struct mu_journal **journal) {
    if (!*journal)
        return;
    json_decref((*journal)->counts);
    json_decref((*journal)->events);
    json_decref((*journal)->errors);
    json_decref((*journal)->anomalies);
    json_decref((*journal)->suspicions);
    free((*journal)->instance);
    free(*journal);
    *journal = NULL;
}

void mu_journal_set_incarnation(struct mu_journal *journal, const char *incarnation) {
    snprintf(journal->incarnation, sizeof journal->incarnation, "%s", incarnation);
}

static void write_all(int fd, const char *text, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* nobody reads: no reason to end */
        text += written;
        length -= (size_t)written;
    }
}

void mu_journal_line(struct mu_journal *journal, const char *what, json_t *fields) {
    json_t *line = json_object();
    json_object_set_new(line, journal->instance ? "sim" : "cluster", json_string(what));
    if (journal->instance)
        json_object_set_new(line, "instance", json_string(journal->instance));
    if (journal->incarnation[0])
        json_object_set_new(line, "incarnation", json_string(journal->incarnation));
    json_object_set_new(line, "at", json_integer((json_int_t)mu_clock_realtime_ms()));
    if (fields)
        json_object_update(line, fields);
    json_decref(fields);
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (!text)
        return;
    size_t length = strlen(text);
    text = mu_realloc(text, length + 2);
    memcpy(text + length, "\n", 2);
    write_all(journal->fd, text, length + 1);
    free(text);
}

static json_t *describe(const char *kind, const char *session, const char *text) {
    json_t *anomaly = json_object();
    json_object_set_new(anomaly, "kind", json_string(kind));
    if (session)
        json_object_set_new(anomaly, "session", json_string(session));
    json_object_set_new(anomaly, "text", json_string(text));
    return anomaly;
}

static void keep_anomaly(struct mu_journal *journal, json_t *anomaly) {
    journal->anomaly_count++;
    if (json_array_size(journal->anomalies) < KEPT_MAX)
        json_array_append(journal->anomalies, anomaly);
    mu_journal_line(journal, "anomaly", json_incref(anomaly));
}

void mu_journal_anomaly(struct mu_journal *journal, const char *kind, const char *session,
                        const char *text) {
    json_t *anomaly = describe(kind, session, text);
    keep_anomaly(journal, anomaly);
    json_decref(anomaly);
}

void mu_journal_suspect(struct mu_journal *journal, const char *kind, const char *session,
                        const char *text) {
    if (json_array_size(journal->suspicions) == KEPT_MAX)
        return;
    json_array_append_new(journal->suspicions, describe(kind, session, text));
    journal->suspected++;
}

uint64_t mu_journal_suspected(const struct mu_journal *journal) {
    return journal->suspected;
}

size_t mu_journal_verify(struct mu_journal *journal, uint64_t suspected) {
    size_t found = 0;
    while (journal->suspected - json_array_size(journal->suspicions) < suspected) {
        json_t *suspicion = json_incref(json_array_get(journal->suspicions, 0));
        json_array_remove(journal->suspicions, 0);
        keep_anomaly(journal, suspicion);
        json_decref(suspicion);
        found++;
    }
    return found;
}

void mu_journal_excuse(struct mu_journal *journal) {
    size_t count = json_array_size(journal->suspicions);
    if (count > 0)
        mu_journal_count(journal, "excused", count);
    json_array_clear(journal->suspicions);
}

static uint64_t add_to(json_t *object, const char *name, uint64_t add) {
    json_t *number = json_object_get(object, name);
    if (!number) {
        json_object_set_new(object, name, json_integer((json_int_t)add));
        return add;
    }
    json_int_t sum = json_integer_value(number) + (json_int_t)add;
    json_integer_set(number, sum);
    return (uint64_t)sum;
}

void mu_journal_doubt(struct mu_journal *journal, bool doubt) {
    journal->doubt = doubt;
}

void mu_journal_error(struct mu_journal *journal, const char *operation, const char *subject,
                      enum muster_status status, const char *message) {
    const char *code = muster_status_code(status);
    bool of_data = status != MUSTER_DENIED && status != MUSTER_UNAUTHENTICATED;
    if (journal->doubt && of_data) {
        mu_journal_suspect(journal, code, NULL, message ? message : "");
        return;
    }
    if (add_to(journal->errors, code, 1) > PRINTED_ERRORS)
        return;
    json_t *fields = json_object();
    json_object_set_new(fields, "operation", json_string(operation));
    if (subject)
        json_object_set_new(fields, "subject", json_string(subject));
    json_object_set_new(fields, "code", json_string(code));
    json_object_set_new(fields, "message", json_string(message ? message : ""));
    mu_journal_line(journal, "error", fields);
}

void mu_journal_count(struct mu_journal *journal, const char *name, uint64_t add) {
    add_to(journal->counts, name, add);
}

void mu_journal_count_event(struct mu_journal *journal, const char *name) {
    add_to(journal->events, name, 1);
}

void mu_journal_report(const struct mu_journal *journal, json_t *report) {
    json_object_set(report, "counts", journal->counts);
    json_object_set(report, "events", journal->events);
    json_object_set(report, "errors", journal->errors);
    json_object_set_new(report, "anomaly_count", json_integer((json_int_t)journal->anomaly_count));
    json_object_set(report, "anomalies", journal->anomalies);
}
