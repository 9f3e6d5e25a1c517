/* plugin.c - auth_rules: who is known by a token or a certificate, and an ordered list of rules
 * that says who may do what.
 *
 * Everything is answered at once and from memory. A reload reads the whole of a new configuration
 * before it takes the place of the old one; buckets of rates begin anew with it. A door may keep a
 * caller for long: what it was authenticated by is a claim of its, and is looked up again each
 * time.
 */
#include <stdio.h>
#include <time.h>

#include "auth_rules/alloc.h"
#include "auth_rules/policy.h"

struct counters {
    struct muster_metric *allowed;
    struct muster_metric *denied;
    struct muster_metric *deferred;
    struct muster_metric *denied_by_rate;
    struct muster_metric *tokens_refused;
    struct muster_metric *rate_entries;
};

struct rules_plugin {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct rules_policy *policy;
    struct rules_buckets *buckets;
    size_t buckets_shown; /* what the gauge says */
    struct counters counters;
    /* Decisions point into these; valid until the next one. */
    struct rules_identity identity;
    struct muster_principal principal;
    struct rules_answer answer;
};

/* ---- the configuration ---- */

/* On an error everything stays as it was. */
static enum muster_status take(struct rules_plugin *self, const struct muster_config *root,
                               struct muster_complaint *complaint) {
    unsigned char seed[RULES_SEED_SIZE];
    struct rules_reader reader = {
        .plugin = self->plugin, .host = self->host, .complaint = complaint};
    struct rules_policy *fresh = rules_policy_read(&reader, root);
    if (fresh == NULL) {
        return MUSTER_BAD_REQUEST;
    }
    rules_policy_destroy(&self->policy);
    rules_buckets_destroy(&self->buckets);
    self->host->random(self->plugin, seed, sizeof seed);
    self->policy = fresh;
    self->buckets = rules_buckets_create(fresh->rate_entries, seed);
    self->host->log(self->plugin, MUSTER_LOG_INFO, "rules", "%zu rules, %zu principals",
                    fresh->rule_count, fresh->principals.count);
    return MUSTER_OK;
}

static void show_buckets(struct rules_plugin *self) {
    size_t count = rules_buckets_count(self->buckets);
    if (count != self->buckets_shown) {
        self->host->metric_add(self->counters.rate_entries,
                               (int64_t)count - (int64_t)self->buckets_shown);
        self->buckets_shown = count;
    }
}

static void make_metrics(struct rules_plugin *self) {
    const struct {
        struct muster_metric **metric;
        enum muster_metric_kind kind;
        const char *name, *help;
    } metrics[] = {
        {&self->counters.allowed, MUSTER_COUNTER, "allowed_total", "Questions that a rule allowed"},
        {&self->counters.denied, MUSTER_COUNTER, "denied_total", "Questions that a rule denied"},
        {&self->counters.deferred, MUSTER_COUNTER, "deferred_total",
         "Questions that no rule matched"},
        {&self->counters.denied_by_rate, MUSTER_COUNTER, "denied_by_rate_total",
         "Questions that exceeded the rate of the rule that allows them"},
        {&self->counters.tokens_refused, MUSTER_COUNTER, "tokens_refused_total",
         "Tokens and certificates that were not accepted"},
        {&self->counters.rate_entries, MUSTER_GAUGE, "rate_entries",
         "Principals and users whose rate is remembered"},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        *metrics[i].metric =
            self->host->metric(self->plugin, metrics[i].kind, metrics[i].name, metrics[i].help);
    }
}

/* ---- life ---- */

static void on_close(void *state) {
    struct rules_plugin *self = state;
    rules_policy_destroy(&self->policy);
    rules_buckets_destroy(&self->buckets);
    free(self);
}

static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    struct rules_plugin *self = rules_calloc(1, sizeof *self);
    self->plugin = plugin;
    self->host = host;
    enum muster_status status = take(self, NULL, complaint);
    if (status != MUSTER_OK) {
        on_close(self);
        return status;
    }
    make_metrics(self);
    *state = self;
    return MUSTER_OK;
}

static void on_stop(void *state) {
    struct rules_plugin *self = state;
    self->host->stopped(self->plugin);
}

static enum muster_status on_reload(void *state, const struct muster_config *config,
                                    struct muster_complaint *complaint) {
    struct rules_plugin *self = state;
    enum muster_status status = take(self, config, complaint);
    show_buckets(self);
    return status;
}

/* ---- who is it ---- */

static uint64_t unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum muster_verdict on_authenticate(void *state, struct muster_handle handle,
                                           const struct muster_credentials *credentials,
                                           struct muster_decision *decision) {
    struct rules_plugin *self = state;
    struct rules_identity *identity = &self->identity;
    (void)handle;
    enum muster_verdict verdict =
        rules_identify(&self->policy->principals, credentials, unix_ms(), identity);
    if (verdict == MUSTER_DENY) {
        self->host->metric_add(self->counters.tokens_refused, 1);
        decision->reason = identity->reason;
        decision->code = MUSTER_UNAUTHENTICATED;
    } else if (verdict == MUSTER_ALLOW && credentials->purpose == MUSTER_PURPOSE_END_USER) {
        decision->user = identity->who->name;
    } else if (verdict == MUSTER_ALLOW) {
        self->principal = identity->who->shown;
        self->principal.claims = identity->mark->text;
        decision->principal = &self->principal;
    }
    return verdict;
}

/* ---- may it ---- */

/* Is there one left in the bucket? If not, `decision` says so. */
static bool within_rate(struct rules_plugin *self, const struct rules_rule *rule,
                        const struct rules_question *question, struct muster_decision *decision) {
    char name[RULES_BUCKET_NAME_SIZE];
    rules_bucket_name(rule, question, name);
    uint64_t wait_ms = rules_buckets_take(self->buckets, &rule->rate, rule->number, name,
                                          self->host->now_ms(self->plugin));
    show_buckets(self);
    if (wait_ms == 0) {
        return true;
    }
    snprintf(self->answer.reason, sizeof self->answer.reason,
             "rule %zu allows %llu requests in %llu ms; try again in %llu ms", rule->number,
             (unsigned long long)rule->rate.requests, (unsigned long long)rule->rate.per_ms,
             (unsigned long long)wait_ms);
    decision->reason = self->answer.reason;
    decision->code = MUSTER_RATE_LIMITED;
    decision->cache_ms = 0;
    return false;
}

static enum muster_verdict on_authorize(void *state, struct muster_handle handle,
                                        const struct muster_principal *principal,
                                        enum muster_action action,
                                        const struct muster_resource *resource,
                                        struct muster_decision *decision) {
    struct rules_plugin *self = state;
    struct rules_question question = {principal, action, resource};
    (void)handle;
    if (!rules_is_current(&self->policy->principals, principal)) {
        self->host->metric_add(self->counters.denied, 1);
        decision->reason = "the credentials count no longer; authenticate again";
        decision->code = MUSTER_UNAUTHENTICATED;
        return MUSTER_DENY;
    }
    const struct rules_rule *rule = rules_policy_find(self->policy, &question);
    if (rule == NULL) {
        self->host->metric_add(self->counters.deferred, 1);
        return MUSTER_DEFER;
    }
    if (rules_is_counted(rule, &question) && !within_rate(self, rule, &question, decision)) {
        self->host->metric_add(self->counters.denied_by_rate, 1);
        return MUSTER_DENY;
    }
    enum muster_verdict verdict = rules_say(rule, &question, &self->answer, decision);
    self->host->metric_add(verdict == MUSTER_ALLOW ? self->counters.allowed : self->counters.denied,
                           1);
    return verdict;
}

static const struct muster_plugin_hooks hooks = {
    .init = on_init, .stop = on_stop, .close = on_close, .reload = on_reload};
static const struct muster_authenticator_hooks authenticator = {.authenticate = on_authenticate};
static const struct muster_authorizer_hooks authorizer = {.authorize = on_authorize};

MUSTER_PLUGIN(MUSTER_AUTHENTICATOR | MUSTER_AUTHORIZER, RULES_PLUGIN_NAME, MUSTER_VERSION,
              rules_keys, RULES_KEYS, &hooks, NULL, &authenticator, &authorizer, NULL);
