/* instances.c - the backend processes and what they hold. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json_out.h"
#include "table.h"

#define BATCH 500

struct row {
    const redisReply *id;
    int64_t heartbeat;
    redisReply *fields; /* incarnation state draining started_at meta */
    int64_t connections;
    int64_t leads;
};

static void append_json(struct mu_buffer *out, const struct row *row) {
    const redisReply *meta = mu_reply_at(row->fields, 4);
    mu_json_open(out, NULL, '{');
    mu_json_text(out, "instance", row->id->str, (size_t)row->id->len);
    mu_json_string(out, "incarnation", mu_reply_text(mu_reply_at(row->fields, 0)));
    mu_json_string(out, "state", mu_reply_text(mu_reply_at(row->fields, 1)));
    mu_json_bool(out, "draining", strcmp(mu_reply_text(mu_reply_at(row->fields, 2)), "1") == 0);
    mu_json_number(out, "started_at", mu_reply_number(mu_reply_at(row->fields, 3), 0));
    mu_json_number(out, "last_heartbeat", row->heartbeat);
    mu_json_number(out, "connections", row->connections);
    mu_json_number(out, "leads", row->leads);
    if (mu_reply_is_text(meta) && meta->len > 0) {
        mu_json_raw(out, "meta", meta->str, (size_t)meta->len);
    } else {
        mu_json_raw(out, "meta", "{}", 2);
    }
    mu_json_close(out, '}');
}

static void append_row(struct mu_columns *columns, const struct row *row, int64_t now) {
    char age[MU_AGE_SIZE];
    int64_t started = mu_reply_number(mu_reply_at(row->fields, 3), -1);
    bool draining = strcmp(mu_reply_text(mu_reply_at(row->fields, 2)), "1") == 0;
    mu_columns_cell(columns, "%s", row->id->str);
    mu_columns_cell(columns, "%s%s", mu_reply_text(mu_reply_at(row->fields, 1)),
                    draining ? " draining" : "");
    mu_columns_cell(columns, "%" PRId64, row->connections);
    mu_columns_cell(columns, "%" PRId64, row->leads);
    mu_columns_cell(columns, "%s", mu_age(age, now > row->heartbeat ? now - row->heartbeat : 0));
    mu_columns_cell(columns, "%s", mu_age(age, started < 0 ? -1 : now - started));
    mu_columns_cell(columns, "%s", mu_reply_text(mu_reply_at(row->fields, 0)));
}

enum mu_ctl_exit mu_ctl_instances(struct mu_ctl *ctl) {
    const char *ns = ctl->name_space;
    struct mu_columns *columns =
        mu_columns_create("INSTANCE|STATE|>CONNECTIONS|>LEADS|>HEARTBEAT|>RUNNING|INCARNATION");
    struct mu_buffer out;
    int64_t now = mu_ask_now(ctl);
    redisReply *list = mu_ask(ctl, "ZRANGE {%s}:instances 0 -1 WITHSCORES", ns);
    size_t count = mu_reply_count(list) / 2;

    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '[');
    for (size_t from = 0; from < count && !ctl->lost; from += BATCH) {
        size_t to = from + BATCH < count ? from + BATCH : count;
        for (size_t i = from; i < to; i++) {
            const redisReply *id = list->element[2 * i];
            size_t length = (size_t)id->len;
            mu_send(ctl, "HMGET {%s}:instance:%b incarnation state draining started_at meta", ns,
                    id->str, length);
            mu_send(ctl, "HLEN {%s}:instance:%b:connections", ns, id->str, length);
            mu_send(ctl, "SCARD {%s}:instance:%b:leads", ns, id->str, length);
        }
        for (size_t i = from; i < to; i++) {
            struct row row = {.id = list->element[2 * i],
                              .heartbeat = (int64_t)strtod(list->element[2 * i + 1]->str, NULL)};
            row.fields = mu_receive(ctl);
            redisReply *connections = mu_receive(ctl);
            redisReply *leads = mu_receive(ctl);
            row.connections = mu_reply_number(connections, 0);
            row.leads = mu_reply_number(leads, 0);
            if (ctl->options->json) {
                append_json(&out, &row);
            } else {
                append_row(columns, &row, now);
            }
            freeReplyObject(row.fields);
            freeReplyObject(connections);
            freeReplyObject(leads);
        }
    }
    mu_json_close(&out, ']');
    if (!ctl->lost && ctl->options->json) {
        mu_json_print(&out, stdout);
    } else if (!ctl->lost) {
        mu_columns_print(columns, stdout);
    }
    freeReplyObject(list);
    mu_buffer_deinit(&out);
    mu_columns_destroy(&columns);
    return ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
}
