/* commands.c - status, instances, sessions, members and call, as the door answers them; drain,
 * brake and the orders, whose files ask it themselves.
 *
 * With --json the answers are printed as they came, one line a page: not a byte is changed. For
 * people, numbers are read as real ones, so that no large number in a profile or meta makes an
 * answer unreadable.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json_out.h"
#include "registry/operations.h"
#include "table.h"
#include "via/door.h"

#define PAGE "1000"

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static const char *id_of(const json_t *object, const char *name) {
    const char *text = text_of(object, name);
    return text[0] != '\0' ? text : "-";
}

static int64_t number_of(const json_t *object, const char *name) {
    double number = json_number_value(json_object_get(object, name));
    return number > -9e15 && number < 9e15 ? (int64_t)number : 0;
}

/* For people: parsed, for json_decref(). With --json: printed, and parsed if that is possible.
 * NULL: an answer that cannot be read. */
static json_t *take(const struct mu_ctl *ctl, struct mu_buffer *answer) {
    json_t *json = json_loadb(answer->data, answer->length,
                              JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    if (ctl->options->json) {
        mu_json_print(answer, stdout);
    } else if (json == NULL) {
        fputs("musterctl: the answer cannot be shown as a table; try --json\n", stderr);
    }
    return json;
}

static enum mu_ctl_exit show_status(struct mu_via *via) {
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status = mu_via_ask(via, "STATUS", 0, NULL, &answer);
    json_t *json = status == MU_CTL_FINE ? take(via->ctl, &answer) : NULL;
    if (json != NULL && !via->ctl->options->json) {
        const json_t *holder = json_object_get(json, "coordinator");
        const json_t *instances = json_object_get(json, "instances");
        printf("namespace    %s\n", text_of(json, "namespace"));
        printf("redis        %s\n", id_of(json_object_get(json, "redis"), "version"));
        printf("generation   %s\n", id_of(json, "generation"));
        printf("epoch        %" PRId64 "\n", number_of(json, "epoch"));
        printf("coordinator  %s%s%s\n", id_of(holder, "id"),
               text_of(holder, "address")[0] != '\0' ? " at " : "", text_of(holder, "address"));
        printf("daemons      %zu\n", json_array_size(json_object_get(json, "daemons")));
        printf("instances    %" PRId64 " up, %" PRId64 " suspect, %" PRId64 " draining\n",
               number_of(instances, "up"), number_of(instances, "suspect"),
               number_of(instances, "draining"));
        printf("sessions     %" PRId64 "\n", number_of(json, "sessions"));
        printf("connections  %" PRId64 "\n", number_of(json, "connections"));
        printf("ghosts       %" PRId64 "\n", number_of(json, "ghosts"));
        printf("brake        %s\n",
               json_is_true(json_object_get(json, "brake")) ? "ENGAGED" : "released");
    }
    if (json_is_true(json_object_get(json, "brake"))) {
        status = MU_CTL_NO;
    }
    json_decref(json);
    mu_buffer_deinit(&answer);
    return status;
}

static enum mu_ctl_exit show_instances(struct mu_via *via) {
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status = mu_via_ask(via, "INSTANCES", 0, NULL, &answer);
    json_t *json = status == MU_CTL_FINE ? take(via->ctl, &answer) : NULL;
    if (json != NULL && !via->ctl->options->json) {
        struct mu_columns *columns =
            mu_columns_create("INSTANCE|STATE|>CONNECTIONS|>LEADS|INCARNATION");
        const json_t *row = NULL;
        size_t i = 0;
        json_array_foreach(json, i, row) {
            mu_columns_cell(columns, "%s", text_of(row, "instance"));
            mu_columns_cell(columns, "%s%s", text_of(row, "state"),
                            json_is_true(json_object_get(row, "draining")) ? " draining" : "");
            mu_columns_cell(columns, "%" PRId64, number_of(row, "connections"));
            mu_columns_cell(columns, "%" PRId64, number_of(row, "leads"));
            mu_columns_cell(columns, "%s", text_of(row, "incarnation"));
        }
        mu_columns_print(columns, stdout);
        mu_columns_destroy(&columns);
    }
    json_decref(json);
    mu_buffer_deinit(&answer);
    return status;
}

static void add_session(struct mu_columns *columns, const json_t *row) {
    mu_columns_cell(columns, "%s", text_of(row, "session"));
    mu_columns_cell(columns, "%" PRId64, number_of(row, "count"));
    mu_columns_cell(columns, "%s", id_of(row, "leader"));
}

static void add_member(struct mu_columns *columns, const json_t *row) {
    char *profile =
        json_dumps(json_object_get(row, "profile"), JSON_COMPACT | JSON_REAL_PRECISION(15));
    mu_columns_cell(columns, "%s", text_of(row, "connection"));
    mu_columns_cell(columns, "%s%s", json_is_true(json_object_get(row, "away")) ? "away " : "",
                    json_is_false(json_object_get(row, "lead")) ? "never leads" : "");
    mu_columns_cell(columns, "%s", text_of(row, "user"));
    mu_columns_cell(columns, "%s", text_of(row, "instance"));
    mu_columns_cell(columns, "%s", profile != NULL && strcmp(profile, "{}") != 0 ? profile : "");
    free(profile);
}

/* What comes in pages. `session` NULL: SESSIONS, else MEMBERS of it. */
static enum mu_ctl_exit show_pages(struct mu_via *via, const char *session) {
    const struct mu_ctl_options *options = via->ctl->options;
    const char *operation = session != NULL ? "MEMBERS" : "SESSIONS";
    struct mu_columns *columns = mu_columns_create(
        session != NULL ? "CONNECTION|LEADING|USER|INSTANCE|PROFILE" : "SESSION|>MEMBERS|LEADER");
    uint64_t left = session != NULL || options->limit == 0 ? UINT64_MAX : options->limit;
    enum mu_ctl_exit status = MU_CTL_FINE;
    struct mu_buffer answer;
    char cursor[32] = "0";
    bool first = true;
    mu_buffer_init(&answer, 0);
    while (status == MU_CTL_FINE && left > 0 && (first || strcmp(cursor, "0") != 0)) {
        /* The first page of members is asked for without a cursor: it may be the whole, as one
         * snapshot. */
        const char *arguments[3] = {session, cursor, PAGE};
        size_t skip = session == NULL ? 1 : 0;
        size_t count = session != NULL && first ? 1 : 3 - skip;
        status = mu_via_ask(via, operation, count, arguments + skip, &answer);
        json_t *json = status == MU_CTL_FINE ? take(via->ctl, &answer) : NULL;
        if (session != NULL && first && json != NULL && !options->json) {
            printf("session %s: %" PRId64 " members, leader %s, term %" PRId64 ", seq %" PRId64
                   "\n",
                   session, number_of(json, "count"), id_of(json, "leader"),
                   number_of(json, "term"), number_of(json, "seq"));
        }
        const json_t *list = json_object_get(json, session != NULL ? "members" : "sessions");
        for (size_t i = 0; i < json_array_size(list) && left > 0; i++, left--) {
            const json_t *row = json_array_get(list, i);
            session != NULL ? add_member(columns, row) : add_session(columns, row);
        }
        snprintf(cursor, sizeof cursor, "%s", json != NULL ? id_of(json, "cursor") : "0");
        json_decref(json);
        first = false;
    }
    if (status == MU_CTL_FINE && !options->json) {
        mu_columns_print(columns, stdout);
    }
    mu_columns_destroy(&columns);
    mu_buffer_deinit(&answer);
    return status;
}

static enum mu_ctl_exit call(struct mu_via *via) {
    const struct mu_ctl_options *options = via->ctl->options;
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status =
        mu_via_ask(via, options->argument, options->rest_count, options->rest, &answer);
    if (status == MU_CTL_FINE) {
        mu_json_print(&answer, stdout);
    }
    mu_buffer_deinit(&answer);
    return status;
}

/* Text for Prometheus, as it came. */
static enum mu_ctl_exit show_metrics(struct mu_via *via) {
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status = mu_via_ask(via, "METRICS", 0, NULL, &answer);
    if (status == MU_CTL_FINE) {
        fwrite(answer.data, 1, answer.length, stdout);
    }
    mu_buffer_deinit(&answer);
    return status;
}

static bool is_drain(const char *command) {
    return strcmp(command, "drain") == 0 || strcmp(command, "undrain") == 0;
}

const char *mu_via_instance(const struct mu_ctl_options *options) {
    enum muster_operation operation = MUSTER_OPERATIONS;
    if (is_drain(options->command)) {
        return options->argument;
    }
    if (strcmp(options->command, "call") != 0 ||
        !mu_operation_find(options->argument, strlen(options->argument), &operation) ||
        !mu_operations[operation].writes) {
        return NULL;
    }
    const char *letters = mu_operations[operation].arguments;
    const char *letter = strchr(letters, 'i');
    size_t index = letter != NULL ? (size_t)(letter - letters) : SIZE_MAX;
    return index < options->rest_count ? options->rest[index] : NULL;
}

enum mu_ctl_exit mu_ctl_via(struct mu_via *via) {
    const char *command = via->ctl->options->command;
    if (strcmp(command, "status") == 0) {
        return show_status(via);
    }
    if (strcmp(command, "instances") == 0) {
        return show_instances(via);
    }
    if (strcmp(command, "call") == 0) {
        return call(via);
    }
    if (strcmp(command, "metrics") == 0) {
        return show_metrics(via);
    }
    if (strcmp(command, "top") == 0) {
        return mu_ctl_top(via->ctl, via);
    }
    if (is_drain(command)) {
        return mu_ctl_drain(via->ctl, via);
    }
    if (strcmp(command, "brake") == 0) {
        return mu_ctl_brake(via->ctl, via);
    }
    if (strcmp(command, "sessions") != 0 && strcmp(command, "members") != 0) {
        return mu_ctl_order(via->ctl, via);
    }
    return show_pages(via, strcmp(command, "members") == 0 ? via->ctl->options->argument : NULL);
}
