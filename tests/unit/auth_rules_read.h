/* auth_rules_read.h - a policy of auth_rules from a text, as the daemon would read it. */
#ifndef AUTH_RULES_READ_H
#define AUTH_RULES_READ_H

#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "auth_rules/policy.h"
#include "plugin/offline.h"

struct read {
    struct mu_config config;
    struct muster_config *tree;
    struct rules_policy *policy;
    char complaint[sizeof((struct muster_complaint *)0)->text];
};

/* `text` is what stands under `config:`, each line indented by six spaces. */
static inline void read_config(struct read *read, const char *text) {
    static const struct mu_schema schema = {RULES_PLUGIN_NAME, "auth_rules.so", rules_keys,
                                            RULES_KEYS};
    char whole[8192];
    struct mu_error error = {0};
    struct muster_complaint complaint = {""};
    *read = (struct read){.policy = NULL};
    mu_config_init(&read->config);
    int length = snprintf(whole, sizeof whole,
                          "plugins:\n  load:\n  - name: /x/auth_rules.so\n    config:\n%s", text);
    assert_true(length > 0 && (size_t)length < sizeof whole);
    if (mu_config_parse(&read->config, "r.yaml", whole, strlen(whole), &error) != MUSTER_OK ||
        mu_offline_read(&read->config, &schema, &read->tree, &error) != MUSTER_OK)
        fail_msg("%s", error.text);
    struct rules_reader reader = {.host = mu_offline_host(), .complaint = &complaint};
    read->policy = rules_policy_read(&reader, read->tree);
    memcpy(read->complaint, complaint.text, sizeof read->complaint);
}

static inline void forget(struct read *read) {
    rules_policy_destroy(&read->policy);
    mu_tree_destroy(&read->tree);
    mu_config_deinit(&read->config);
}

#endif
