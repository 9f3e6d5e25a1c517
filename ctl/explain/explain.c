/* explain.c - the command: which kind, the story, and how it is printed. */
#include "explain/explain.h"

#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/ids.h"

const char *mu_explain_hindrance(struct mu_explain *explain, const char *instance,
                                 const char *incarnation) {
    redisReply *fields = mu_ask(explain->ctl, "HMGET {%s}:instance:%s incarnation state draining",
                                explain->ctl->name_space, instance);
    bool lives = strcmp(mu_reply_text(mu_reply_at(fields, 0)), incarnation) == 0;
    bool up = strcmp(mu_reply_text(mu_reply_at(fields, 1)), "up") == 0;
    bool drains = strcmp(mu_reply_text(mu_reply_at(fields, 2)), "1") == 0;
    freeReplyObject(fields);
    return !lives ? "gone" : !up ? "suspect" : drains ? "draining" : NULL;
}

enum mu_ctl_exit mu_ctl_explain(struct mu_ctl *ctl) {
    static const struct {
        const char *kind;
        void (*tell)(struct mu_explain *explain);
    } kinds[] = {
        {"session", mu_explain_session},
        {"connection", mu_explain_connection},
        {"instance", mu_explain_instance},
    };
    const struct mu_ctl_options *options = ctl->options;
    struct mu_explain explain = {.ctl = ctl, .name = options->rest[0]};
    explain.limit = options->limit == UINT64_MAX ? MU_EXPLAIN_LIMIT
                    : options->limit == 0        ? SIZE_MAX
                                                 : (size_t)options->limit;
    if (!mu_id_valid(explain.name, strlen(explain.name))) {
        fprintf(stderr,
                "musterctl: that is no name: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -\n");
        return MU_CTL_USAGE;
    }
    explain.now = mu_ask_now(ctl);
    explain.story =
        json_pack("{s:s, s:s, s:I, s:b, s:s, s:n}", "explain", options->argument, "name",
                  explain.name, "now", (json_int_t)explain.now, "found", 0, "verdict", "", "state");
    for (size_t i = 0; !ctl->lost && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, options->argument) == 0) {
            kinds[i].tell(&explain);
        }
    }
    bool found = json_is_true(json_object_get(explain.story, "found"));
    if (!ctl->lost && options->json) {
        char *text = json_dumps(explain.story, JSON_COMPACT);
        puts(text != NULL ? text : "{}");
        free(text);
    } else if (!ctl->lost) {
        mu_explain_show(&explain, stdout);
    }
    json_decref(explain.story);
    return ctl->lost ? MU_CTL_UNREACHABLE : found ? MU_CTL_FINE : MU_CTL_NO;
}
