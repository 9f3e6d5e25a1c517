/* text.c - sentences for people. What stands in Redis may be anybody's bytes: a whole line is made
 * harmless before it is printed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explain/explain.h"
#include "table.h"

const char *mu_explain_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

int64_t mu_explain_number(const json_t *object, const char *name) {
    return (int64_t)json_integer_value(json_object_get(object, name));
}

char *mu_explain_format(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    mu_must(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

const char *mu_explain_reason(const char *reason) {
    static const struct {
        const char *reason;
        const char *text;
    } table[] = {
        {"instance-suspect", "its instance was suspect"},
        {"instance-dead", "its instance was dead"},
        {"instance-stopped", "its instance was stopped (STOP)"},
        {"instance-restarted", "its instance was started anew, with another incarnation"},
        {"draining", "its instance was draining"},
        {"away", "it went away (DISCONNECT)"},
        {"promoted", "somebody asked for it (PROMOTE)"},
        {"kicked", "somebody removed it (KICK)"},
        {"expired", "its ttl passed without a TOUCH"},
        {"disconnected", "it was away (DISCONNECT) until its grace ended"},
        {"superseded",
         "its instance was gone, and another connection of that name came in its place"},
        {"eligible-again", "nobody could lead before, and then this one could"},
        {"resumed", "one that was away or gone came back (RESUME)"},
        {"quarantined", "its record could not be read and was set aside (see musterctl fsck)"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].reason, reason) == 0) {
            return table[i].text;
        }
    }
    return reason;
}

char *mu_explain_time(char out[MU_TIME_SIZE], int64_t now, int64_t at) {
    char date[32];
    char zone[16];
    char age[MU_AGE_SIZE];
    time_t seconds = (time_t)(at / 1000);
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    localtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    strftime(zone, sizeof zone, "%z", &tm);
    snprintf(out, MU_TIME_SIZE, "%s.%03u %s (%s ago)", date, (unsigned)(at % 1000), zone,
             mu_age(age, now > at ? now - at : 0));
    return out;
}

/* ---- why an instance was judged ---- */

static const char *heard_by(const json_t *why) {
    const char *way = mu_explain_text(why, "heard_by");
    return strcmp(way, "channel") == 0 ? "last heard on the channel heartbeat"
           : strcmp(way, "score") == 0 ? "last seen when its time in Redis changed"
                                       : "not heard since the coordinator began to listen";
}

static char *signal_text(const json_t *why) {
    const char *signal = mu_explain_text(why, "signal");
    const char *daemon = mu_explain_text(why, "daemon");
    char age[MU_AGE_SIZE];
    if (strcmp(signal, "lifeline") == 0) {
        mu_age(age, mu_explain_number(why, "quiet_ms"));
        return mu_explain_format("the socket that brought its heartbeats ended at daemon %s, quiet "
                                 "for %s",
                                 daemon[0] != '\0' ? daemon : "(not told)", age);
    }
    if (strcmp(signal, "inbox") == 0) {
        return mu_explain_format("nobody was subscribed to its inbox any more, in two probes");
    }
    mu_age(age, mu_explain_number(why, "silent_ms"));
    return mu_explain_format("silence of %s", age);
}

char *mu_explain_why(const json_t *entry) {
    const json_t *why = json_object_get(entry, "why");
    char age[MU_AGE_SIZE];
    const char *order = mu_explain_text(entry, "by_order");
    if (order[0] != '\0') {
        return mu_explain_format("by order of %s", order);
    }
    if (why == NULL) {
        const char *by = mu_explain_text(entry, "by");
        return by[0] != '\0' ? mu_explain_format("incarnation %s was started in its place", by)
                             : strdup("");
    }
    char *signal = signal_text(why);
    bool silence = strcmp(mu_explain_text(why, "signal"), "silence") == 0;
    mu_age(age, mu_explain_number(why, "silent_ms"));
    char *text = silence
                     ? mu_explain_format("%s, %s; coordinator %s", signal, heard_by(why),
                                         mu_explain_text(why, "coordinator"))
                     : mu_explain_format("%s; %s, %s before; coordinator %s", signal, heard_by(why),
                                         age, mu_explain_text(why, "coordinator"));
    free(signal);
    return text;
}

char *mu_explain_nothing(const struct mu_explain *explain, const char *did, const char *own) {
    const json_t *journal = json_object_get(explain->story, "journal");
    const char *error = mu_explain_text(journal, "error");
    const json_t *from = json_object_get(journal, "from");
    char time[MU_TIME_SIZE];
    if (error[0] != '\0') {
        return mu_explain_format("The journal cannot be read (%s), so what %s is not known.", error,
                                 did);
    }
    if (!json_is_integer(from)) {
        return mu_explain_format("The journal is empty, so what %s is not known.", did);
    }
    mu_explain_time(time, explain->now, (int64_t)json_integer_value(from));
    return mu_explain_format("Nothing in the journal (%" PRId64
                             " entries, back to %s) %s: that was "
                             "%s%sbefore that time, if ever.",
                             mu_explain_number(journal, "entries"), time, did,
                             own != NULL ? own : "", own != NULL ? ", or " : "");
}

/* ---- the history ---- */

static const char *or_nobody(const char *name) {
    return name[0] != '\0' ? name : "nobody";
}

static char *leader_text(const json_t *fact) {
    const char *owner = mu_explain_text(fact, "owner");
    const char *to = mu_explain_text(fact, "leader_owner");
    return mu_explain_format(
        "%s: %s%s%s%s follows %s%s%s%s as leader, term %" PRId64 ": %s",
        mu_explain_text(fact, "session"), or_nobody(mu_explain_text(fact, "leader")),
        to[0] != '\0' ? " (" : "", to, to[0] != '\0' ? ")" : "",
        or_nobody(mu_explain_text(fact, "previous")), owner[0] != '\0' ? " (" : "", owner,
        owner[0] != '\0' ? ")" : "", mu_explain_number(fact, "term"),
        mu_explain_reason(mu_explain_text(fact, "reason")));
}

static char *left_text(const json_t *fact) {
    const char *session = mu_explain_text(fact, "session");
    const char *detail = mu_explain_text(fact, "detail");
    const char *by = mu_explain_text(fact, "by");
    return mu_explain_format("%s (%s) %s %s: %s%s%s%s%s", mu_explain_text(fact, "connection"),
                             mu_explain_text(fact, "owner"),
                             session[0] != '\0' ? "left session" : "ended, in no session", session,
                             mu_explain_reason(mu_explain_text(fact, "reason")),
                             detail[0] != '\0' ? ", with the words: " : "", detail,
                             by[0] != '\0' ? ", from " : "", by);
}

static char *instance_text(const json_t *fact) {
    const char *event = mu_explain_text(fact, "event") + strlen("instance.");
    const char *reason = mu_explain_text(fact, "reason");
    bool restarted = strcmp(reason, "instance-restarted") == 0;
    char leads[48] = "";
    if (json_object_get(fact, "leads") != NULL) {
        snprintf(leads, sizeof leads, ", %" PRId64 " leaderships",
                 mu_explain_number(fact, "leads"));
    }
    char *why = mu_explain_why(fact);
    char *text = mu_explain_format(
        "%s (%s) %s%s%s%s; it held %" PRId64 " connections%s", mu_explain_text(fact, "instance"),
        mu_explain_text(fact, "incarnation"), event, restarted ? " (restarted)" : "",
        why[0] != '\0' ? ": " : "", why, mu_explain_number(fact, "connections"), leads);
    free(why);
    return text;
}

static char *fact_text(const json_t *fact) {
    const char *event = mu_explain_text(fact, "event");
    if (strcmp(event, "leader.changed") == 0) {
        return leader_text(fact);
    }
    if (strcmp(event, "member.left") == 0) {
        return left_text(fact);
    }
    if (strncmp(event, "instance.", 9) == 0) {
        return instance_text(fact);
    }
    if (strcmp(event, "connection.resumed") == 0) {
        return mu_explain_format("%s (%s) resumed %s (%s) and took its place (RESUME)",
                                 mu_explain_text(fact, "connection"),
                                 mu_explain_text(fact, "owner"), mu_explain_text(fact, "old"),
                                 mu_explain_text(fact, "old_owner"));
    }
    return mu_explain_format("%s %s", event, mu_explain_text(fact, "reason"));
}

/* Appends one line, made harmless. Takes `text`. */
static void line(FILE *out, const char *before, char *text) {
    struct mu_buffer safe;
    mu_buffer_init(&safe, 0);
    mu_append_safe(&safe, text, strlen(text));
    fprintf(out, "%s%s\n", before, safe.data != NULL ? safe.data : "");
    mu_buffer_deinit(&safe);
    free(text);
}

static void print_history(const struct mu_explain *explain, FILE *out) {
    const json_t *history = json_object_get(explain->story, "history");
    int64_t omitted = mu_explain_number(explain->story, "omitted");
    char time[MU_TIME_SIZE];
    size_t i;
    json_t *fact;
    if (json_array_size(history) == 0) {
        return;
    }
    fputs("\nin the journal\n", out);
    if (omitted > 0) {
        fprintf(out, "  %" PRId64 " more were left out (--limit 0 shows all)\n", omitted);
    }
    json_array_foreach(history, i, fact) {
        mu_explain_time(time, explain->now, mu_explain_number(fact, "at"));
        fprintf(out, "  %s\n", time);
        line(out, "    ", fact_text(fact));
        size_t k;
        json_t *reason;
        json_array_foreach(json_object_get(fact, "because"), k, reason) {
            mu_explain_time(time, explain->now, mu_explain_number(reason, "at"));
            char *text = instance_text(reason);
            line(out, "      ", mu_explain_format("at %s %s", time, text));
            free(text);
        }
    }
}

static void print_candidates(const json_t *candidates, FILE *out) {
    struct mu_columns *columns = mu_columns_create(">RANK|CONNECTION|INSTANCE|MAY LEAD");
    size_t i;
    json_t *candidate;
    json_array_foreach(candidates, i, candidate) {
        const char *hindrance = mu_explain_text(candidate, "hindrance");
        bool leads = json_is_true(json_object_get(candidate, "leads"));
        mu_columns_cell(columns, "%zu", i + 1);
        mu_columns_cell(columns, "%s", mu_explain_text(candidate, "connection"));
        mu_columns_cell(columns, "%s:%s", mu_explain_text(candidate, "instance"),
                        mu_explain_text(candidate, "incarnation"));
        mu_columns_cell(columns, "%s%s",
                        leads                  ? "leads"
                        : hindrance[0] != '\0' ? "no: "
                                               : "yes",
                        leads ? "" : hindrance);
    }
    if (mu_columns_rows(columns) > 0) {
        fputs("\nwho may lead, and in which order\n", out);
        mu_columns_print(columns, out);
    }
    mu_columns_destroy(&columns);
}

void mu_explain_show(const struct mu_explain *explain, FILE *out) {
    const json_t *state = json_object_get(explain->story, "state");
    size_t i;
    json_t *sentence;
    line(out, "",
         mu_explain_format("%s %s", mu_explain_text(explain->story, "explain"), explain->name));
    line(out, "  ", mu_explain_format("%s", mu_explain_text(explain->story, "verdict")));
    json_array_foreach(json_object_get(state, "sentences"), i, sentence) {
        line(out, "  ", mu_explain_format("%s", json_string_value(sentence)));
    }
    print_candidates(json_object_get(state, "candidates"), out);
    print_history(explain, out);
}
