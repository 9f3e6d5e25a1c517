/* instances.c - the backend processes and what they hold. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "each_instance.h"
#include "json_out.h"
#include "table.h"

static void append_json(struct mu_buffer *out, const struct mu_instance_look *row) {
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

static void append_row(struct mu_columns *columns, const struct mu_instance_look *row,
                       int64_t now) {
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

struct listing {
    struct mu_columns *columns;
    struct mu_buffer json;
    bool as_json;
    int64_t now;
};

static void append(void *context, const struct mu_instance_look *look) {
    struct listing *listing = context;
    if (listing->as_json) {
        append_json(&listing->json, look);
    } else {
        append_row(listing->columns, look, listing->now);
    }
}

enum mu_ctl_exit mu_ctl_instances(struct mu_ctl *ctl) {
    struct listing listing = {.as_json = ctl->options->json};
    listing.columns =
        mu_columns_create("INSTANCE|STATE|>CONNECTIONS|>LEADS|>HEARTBEAT|>RUNNING|INCARNATION");
    listing.now = mu_ask_now(ctl);
    mu_buffer_init(&listing.json, 0);
    mu_json_open(&listing.json, NULL, '[');
    mu_each_instance(ctl, append, &listing);
    mu_json_close(&listing.json, ']');
    if (!ctl->lost && listing.as_json) {
        mu_json_print(&listing.json, stdout);
    } else if (!ctl->lost) {
        mu_columns_print(listing.columns, stdout);
    }
    mu_buffer_deinit(&listing.json);
    mu_columns_destroy(&listing.columns);
    return ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
}
