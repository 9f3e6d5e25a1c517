/* sessions.c - the sessions in the order of their opening, read and printed page by page. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "json_out.h"
#include "table.h"

#define PAGE 1000

/* `fields`: #count #leader #term #meta. */
static void append_json(struct mu_buffer *out, const redisReply *name, int64_t opened,
                        const redisReply *fields) {
    const redisReply *meta = mu_reply_at(fields, 3);
    const char *leader = mu_reply_text(mu_reply_at(fields, 1));
    mu_json_open(out, NULL, '{');
    mu_json_text(out, "session", name->str, (size_t)name->len);
    mu_json_number(out, "count", mu_reply_number(mu_reply_at(fields, 0), 0));
    mu_json_string(out, "leader", leader[0] != '\0' ? leader : NULL);
    mu_json_number(out, "term", mu_reply_number(mu_reply_at(fields, 2), 0));
    mu_json_number(out, "opened_at", opened);
    if (mu_reply_is_text(meta) && meta->len > 0) {
        mu_json_raw(out, "meta", meta->str, (size_t)meta->len);
    } else {
        mu_json_raw(out, "meta", "{}", 2);
    }
    mu_json_close(out, '}');
}

static void append_row(struct mu_columns *columns, const redisReply *name, int64_t age_ms,
                       const redisReply *fields) {
    char age[MU_AGE_SIZE];
    const char *leader = mu_reply_text(mu_reply_at(fields, 1));
    mu_columns_cell(columns, "%s", name->str);
    mu_columns_cell(columns, "%" PRId64, mu_reply_number(mu_reply_at(fields, 0), 0));
    mu_columns_cell(columns, "%s", leader[0] != '\0' ? leader : "-");
    mu_columns_cell(columns, "%" PRId64, mu_reply_number(mu_reply_at(fields, 2), 0));
    mu_columns_cell(columns, "%s", mu_age(age, age_ms > 0 ? age_ms : 0));
}

/* Sends for a page what append_*() shows and hands it on. */
static void show_page(struct mu_ctl *ctl, const redisReply *page, struct mu_columns *columns,
                      struct mu_buffer *out, int64_t now) {
    size_t count = mu_reply_count(page) / 2;
    for (size_t i = 0; i < count; i++) {
        const redisReply *name = page->element[2 * i];
        mu_send(ctl, "HMGET {%s}:session:%b #count #leader #term #meta", ctl->name_space, name->str,
                (size_t)name->len);
    }
    for (size_t i = 0; i < count; i++) {
        const redisReply *name = page->element[2 * i];
        int64_t opened = (int64_t)strtod(page->element[2 * i + 1]->str, NULL);
        redisReply *fields = mu_receive(ctl);
        if (!mu_reply_is_text(mu_reply_at(fields, 0))) {
            /* Closed since the page was read. */
        } else if (ctl->options->json) {
            append_json(out, name, opened, fields);
        } else {
            append_row(columns, name, now - opened, fields);
        }
        freeReplyObject(fields);
    }
}

enum mu_ctl_exit mu_ctl_sessions(struct mu_ctl *ctl) {
    struct mu_columns *columns = mu_columns_create("SESSION|>MEMBERS|LEADER|>TERM|>OPEN");
    struct mu_buffer out;
    uint64_t at = ctl->options->offset;
    uint64_t left = ctl->options->limit == 0 ? UINT64_MAX : ctl->options->limit;
    int64_t now = mu_ask_now(ctl);
    bool more = true;

    mu_buffer_init(&out, 0);
    mu_json_raw(&out, NULL, "{\"sessions\":[", 13);
    while (more && left > 0 && !ctl->lost) {
        uint64_t size = left < PAGE ? left : PAGE;
        redisReply *page = mu_ask(ctl, "ZRANGE {%s}:sessions %llu %llu WITHSCORES", ctl->name_space,
                                  (unsigned long long)at, (unsigned long long)(at + size - 1));
        size_t got = mu_reply_count(page) / 2;
        show_page(ctl, page, columns, &out, now);
        freeReplyObject(page);
        at += got;
        left -= got;
        more = got == size;
        if (!ctl->lost && !ctl->options->json && (mu_columns_rows(columns) > 0 || !more)) {
            mu_columns_print(columns, stdout);
        }
    }
    if (!ctl->lost && ctl->options->json) {
        /* The cursor is what --offset takes to go on; "0" ends. */
        mu_must(
            mu_buffer_printf(&out, "],\"cursor\":\"%llu\"}", more ? (unsigned long long)at : 0ULL));
        mu_json_print(&out, stdout);
    }
    mu_buffer_deinit(&out);
    mu_columns_destroy(&columns);
    return ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
}
