/* explain_print.c - the verdict first, then what comes with it, then the rules that were passed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/explain.h"
#include "json_out.h"

static const char *verdict_name(enum muster_verdict verdict) {
    return verdict == MUSTER_ALLOW ? "allow" : verdict == MUSTER_DENY ? "deny" : "undecided";
}

static const char *reason_of(const struct mu_explained *explained) {
    return explained->refusal[0] != '\0' ? explained->refusal : explained->decision.reason;
}

/* How many rules were looked at and did not match. */
static size_t passed(const struct mu_explained *explained) {
    return explained->refusal[0] != '\0' ? 0
           : explained->rule != NULL     ? explained->rule->number - 1
                                         : explained->policy->rule_count;
}

static const char *field_of(const struct mu_explained *explained, size_t index) {
    return rules_field_names[rules_rule_match(&explained->policy->rules[index],
                                              explained->question)];
}

/* Who else decides. */
static const char *position(const struct mu_explained *explained, const char **before) {
    const struct mu_config *config = explained->config;
    *before = NULL;
    for (size_t i = 0; i < config->authorization.chain_count; i++) {
        if (strcmp(config->authorization.chain[i], RULES_PLUGIN_NAME) == 0) {
            return i + 1 < config->authorization.chain_count ? config->authorization.chain[i + 1]
                                                             : "authorization.default";
        }
        *before = config->authorization.chain[i];
    }
    *before = NULL;
    return NULL;
}

static void print_notes(const struct mu_explained *explained) {
    const char *before = NULL;
    if (position(explained, &before) == NULL) {
        fputs("musterctl: authorization.chain does not name auth_rules: its rules are not asked\n",
              stderr);
    } else if (before != NULL) {
        fprintf(stderr, "musterctl: '%s' is asked first\n", before);
    }
}

/* ---- text ---- */

static void print_answer(const struct mu_explained *explained) {
    const struct rules_rule *rule = explained->rule;
    const struct muster_decision *decision = &explained->decision;
    if (decision->quota_holder != NULL) {
        printf("  quota of '%s':", decision->quota_holder);
        if (decision->quota_connections > 0) {
            printf(" %" PRIu32 " connections", decision->quota_connections);
        }
        if (decision->quota_sessions > 0) {
            printf(" %" PRIu32 " sessions", decision->quota_sessions);
        }
        putchar('\n');
    }
    if (rule->rate.requests > 0) {
        printf("  rate: %" PRIu64 " requests in %" PRIu64 " ms, %" PRIu64 " at once, each %s\n",
               rule->rate.requests, rule->rate.per_ms, rule->rate.burst,
               rule->rate_per_user ? "user" : "principal");
    }
    if (decision->cache_ms > 0) {
        printf("  kept for %" PRIu64 " ms\n", decision->cache_ms);
    }
}

static void print_verdict(const struct mu_explained *explained) {
    const struct rules_rule *rule = explained->rule;
    const char *before = NULL;
    const char *next = position(explained, &before);
    if (rule == NULL && explained->refusal[0] != '\0') {
        printf("denied before any rule is asked: %s\n", explained->refusal);
    } else if (rule == NULL) {
        printf("undecided: no rule matches; then %s decides\n",
               next != NULL ? next : "authorization.default");
    } else if (explained->verdict == MUSTER_ALLOW) {
        printf("allowed by rule %zu, %s\n", rule->number, rule->place);
        print_answer(explained);
    } else {
        printf("denied by rule %zu, %s: %s\n", rule->number, rule->place, reason_of(explained));
        print_answer(explained);
    }
}

static void print_text(const struct mu_explained *explained) {
    size_t count = passed(explained);
    print_verdict(explained);
    if (count > 0) {
        puts("does not match");
    }
    for (size_t i = 0; i < count; i++) {
        printf("  rule %zu, %s: %s\n", explained->policy->rules[i].number,
               explained->policy->rules[i].place, field_of(explained, i));
    }
}

/* ---- JSON ---- */

static void append_answer(struct mu_buffer *out, const struct mu_explained *explained) {
    const struct rules_rule *rule = explained->rule;
    const struct muster_decision *decision = &explained->decision;
    mu_json_number(out, "cache_ms", (int64_t)decision->cache_ms);
    if (decision->quota_holder != NULL) {
        mu_json_open(out, "quota", '{');
        mu_json_string(out, "holder", decision->quota_holder);
        mu_json_number(out, "connections", decision->quota_connections);
        mu_json_number(out, "sessions", decision->quota_sessions);
        mu_json_close(out, '}');
    }
    if (rule->rate.requests > 0) {
        mu_json_open(out, "rate", '{');
        mu_json_number(out, "requests", (int64_t)rule->rate.requests);
        mu_json_number(out, "per_ms", (int64_t)rule->rate.per_ms);
        mu_json_number(out, "burst", (int64_t)rule->rate.burst);
        mu_json_string(out, "each", rule->rate_per_user ? "user" : "principal");
        mu_json_close(out, '}');
    }
}

static void print_json(const struct mu_explained *explained) {
    const struct rules_rule *rule = explained->rule;
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "verdict", verdict_name(explained->verdict));
    if (rule != NULL) {
        mu_json_number(&out, "rule", (int64_t)rule->number);
    } else {
        mu_json_raw(&out, "rule", "null", 4);
    }
    mu_json_string(&out, "place", rule != NULL ? rule->place : NULL);
    mu_json_string(&out, "reason", reason_of(explained));
    if (rule != NULL) {
        append_answer(&out, explained);
    }
    mu_json_open(&out, "passed", '[');
    for (size_t i = 0; i < passed(explained); i++) {
        mu_json_open(&out, NULL, '{');
        mu_json_number(&out, "rule", (int64_t)explained->policy->rules[i].number);
        mu_json_string(&out, "place", explained->policy->rules[i].place);
        mu_json_string(&out, "field", field_of(explained, i));
        mu_json_close(&out, '}');
    }
    mu_json_close(&out, ']');
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_deinit(&out);
}

void mu_explain_print(const struct mu_explained *explained, bool json) {
    print_notes(explained);
    if (json) {
        print_json(explained);
    } else {
        print_text(explained);
    }
}
