#include "auth_rules/policy.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "auth_rules/alloc.h"

#define USER_PREFIX "user="
#define DIGEST_PREFIX "sha256="

const struct muster_config_key rules_keys[RULES_KEYS] = {
    {RULES_KEY_PRINCIPALS, MUSTER_CONFIG_TREE, false, "{}", 0, 0,
     "Who is known by a token or a certificate: name -> {token, certificate, kind, ...}"},
    {RULES_KEY_RULES, MUSTER_CONFIG_TREE, false, "[]", 0, 0,
     "Who may do what: the first rule that matches decides"},
    {RULES_KEY_RATE_ENTRIES, MUSTER_CONFIG_INTEGER, false, "100000", 16, 10000000,
     "Of how many principals and users the rate of requests is remembered"},
};

/* ---- reading ---- */

static enum muster_status read_rules(struct rules_policy *policy, struct rules_reader *reader,
                                     const struct muster_config *node) {
    enum rules_shape shape = rules_shape(reader, node);
    size_t count = shape == RULES_NOTHING ? 0 : reader->host->config_count(reader->plugin, node);
    enum muster_status status = MUSTER_OK;
    snprintf(reader->where, sizeof reader->where, "rules: ");
    if ((shape != RULES_NOTHING && shape != RULES_LIST) || count > RULES_MAX) {
        return rules_complain(reader, node,
                              "is no list of at most %d rules; allowed is [{action: ..., effect: "
                              "allow}, ...]",
                              RULES_MAX);
    }
    policy->rules = rules_calloc(count, sizeof policy->rules[0]);
    for (size_t i = 0; status == MUSTER_OK && i < count; i++) {
        status = rules_rule_read(&policy->rules[policy->rule_count++], reader,
                                 reader->host->config_item(reader->plugin, node, i), i + 1);
    }
    return status;
}

struct rules_policy *rules_policy_read(struct rules_reader *reader,
                                       const struct muster_config *root) {
    struct rules_policy *policy = rules_calloc(1, sizeof *policy);
    uint64_t entries = 0;
    enum muster_status status =
        rules_principals_read(&policy->principals, reader,
                              reader->host->config_get(reader->plugin, root, RULES_KEY_PRINCIPALS));
    if (status == MUSTER_OK) {
        status = read_rules(policy, reader,
                            reader->host->config_get(reader->plugin, root, RULES_KEY_RULES));
    }
    /* The host has checked it, and there is a default. */
    (void)reader->host->config_number(
        reader->plugin, reader->host->config_get(reader->plugin, root, RULES_KEY_RATE_ENTRIES),
        MUSTER_CONFIG_INTEGER, &entries);
    policy->rate_entries = (size_t)entries;
    if (status != MUSTER_OK) {
        rules_policy_destroy(&policy);
    }
    return policy;
}

void rules_policy_destroy(struct rules_policy **pointer) {
    struct rules_policy *policy = *pointer;
    *pointer = NULL;
    if (policy == NULL) {
        return;
    }
    for (size_t i = 0; i < policy->rule_count; i++) {
        rules_rule_deinit(&policy->rules[i]);
    }
    free(policy->rules);
    rules_principals_deinit(&policy->principals);
    free(policy);
}

const struct rules_rule *rules_policy_find(const struct rules_policy *policy,
                                           const struct rules_question *question) {
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (rules_rule_match(&policy->rules[i], question) == RULES_MATCHES) {
            return &policy->rules[i];
        }
    }
    return NULL;
}

/* ---- who is counted ---- */

/* `name` as an id that can be counted under: with the prefix, so that a user is not taken for a
 * principal of the same name; by its hash where that would be no id or too long. */
static void holder_of(const char *prefix, const char *name, char out[RULES_NAME_MAX + 1]) {
    static const char id_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "._~@|+=-";
    unsigned char digest[RULES_DIGEST_SIZE] = {0};
    size_t length = strlen(name);
    size_t before = strlen(prefix);
    if (strspn(name, id_bytes) == length && before + length <= RULES_NAME_MAX) {
        for (size_t i = 0; i < before + length; i++) {
            out[i] = i < before ? prefix[i] : name[i - before];
        }
        out[before + length] = '\0';
        return;
    }
    (void)EVP_Digest(name, length, digest, NULL, EVP_sha256(), NULL);
    int at = snprintf(out, RULES_NAME_MAX + 1, "%s" DIGEST_PREFIX, prefix);
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(out + at + 2 * i, 3, "%02x", digest[i]);
    }
}

static bool counts_connections(const struct rules_question *question) {
    static const char *const operations[] = {"REGISTER", "ENTER", "JOIN", "RESUME"};
    const char *name = question->resource->operation;
    for (size_t i = 0; name != NULL && i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i], name) == 0) {
            return question->action != MUSTER_ACTION_SESSION_LEAD;
        }
    }
    return false;
}

bool rules_is_counted(const struct rules_rule *rule, const struct rules_question *question) {
    return rule->rate.requests > 0 && question->action != MUSTER_ACTION_SESSION_LEAD;
}

void rules_bucket_name(const struct rules_rule *rule, const struct rules_question *question,
                       char *out) {
    const char *user = rule->rate_per_user ? rules_user_of(question) : NULL;
    snprintf(out, RULES_BUCKET_NAME_SIZE, "%c%s", user != NULL ? 'u' : 'p',
             user != NULL ? user : question->principal->id);
}

/* ---- the answer ---- */

enum muster_verdict rules_say(const struct rules_rule *rule, const struct rules_question *question,
                              struct rules_answer *answer, struct muster_decision *decision) {
    decision->cache_ms = rule->cache_ms;
    if (!rule->allow) {
        if (rule->reason != NULL) {
            snprintf(answer->reason, sizeof answer->reason, "%s", rule->reason);
        } else {
            snprintf(answer->reason, sizeof answer->reason, "rule %zu denies %s", rule->number,
                     rules_action_name(question->action));
        }
        decision->reason = answer->reason;
        return MUSTER_DENY;
    }
    if ((rule->quota.connections > 0 || rule->quota.sessions > 0) && counts_connections(question)) {
        const char *user = rule->quota.per_user ? rules_user_of(question) : NULL;
        holder_of(user != NULL ? USER_PREFIX : "", user != NULL ? user : question->principal->id,
                  answer->holder);
        decision->quota_holder = answer->holder;
        decision->quota_connections = rule->quota.connections;
        decision->quota_sessions = rule->quota.sessions;
    }
    return MUSTER_ALLOW;
}
