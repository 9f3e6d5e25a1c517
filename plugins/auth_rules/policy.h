/* policy.h - everything that the configuration says: who is known, and the rules in their order.
 *
 * One question's way: the first rule that matches says allow or deny; none: no opinion. What
 * `musterctl explain-auth` tells is found by the same functions. */
#ifndef RULES_POLICY_H
#define RULES_POLICY_H

#include "auth_rules/principals.h"
#include "auth_rules/rule.h"

#define RULES_KEYS 3
#define RULES_KEY_PRINCIPALS "principals"
#define RULES_KEY_RULES "rules"
#define RULES_KEY_RATE_ENTRIES "rate_entries"
#define RULES_PLUGIN_NAME "auth_rules"

extern const struct muster_config_key rules_keys[RULES_KEYS];

struct rules_policy {
    struct rules_principals principals;
    struct rules_rule *rules;
    size_t rule_count;
    size_t rate_entries;
};

/* `root` is the mapping of the plugin, NULL: the one that the host has for it. NULL: a complaint is
 * written. The policy borrows places of the configuration, which must outlive it. */
struct rules_policy *rules_policy_read(struct rules_reader *reader,
                                       const struct muster_config *root);
/* Clears the pointer; NULL in it is fine. */
void rules_policy_destroy(struct rules_policy **policy);

/* The rule that decides; NULL: none. */
const struct rules_rule *rules_policy_find(const struct rules_policy *policy,
                                           const struct rules_question *question);

/* What a rule says goes into these, and the decision points into them. */
struct rules_answer {
    char reason[RULES_SENTENCE_MAX + 1];
    char holder[RULES_NAME_MAX + 1];
};

/* The answer of the rule that matched, but for its rate. Returns the verdict. */
enum muster_verdict rules_say(const struct rules_rule *rule, const struct rules_question *question,
                              struct rules_answer *answer, struct muster_decision *decision);

/* Whose bucket a question counts in, and does it at all: that a connection may lead is asked as a
 * part of ENTER and JOIN, which were counted. */
bool rules_is_counted(const struct rules_rule *rule, const struct rules_question *question);
/* `out`: RULES_BUCKET_NAME_SIZE. */
#define RULES_BUCKET_NAME_SIZE (1 + RULES_TEXT_MAX + 1)
void rules_bucket_name(const struct rules_rule *rule, const struct rules_question *question,
                       char *out);

#endif
