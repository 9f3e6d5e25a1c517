/* explain.h - what `musterctl explain-auth` found, and how it is told. */
#ifndef MU_CTL_AUTH_EXPLAIN_H
#define MU_CTL_AUTH_EXPLAIN_H

#include "auth_rules/policy.h"
#include "config/config.h"
#include "ctl.h"

struct mu_explained {
    const struct mu_config *config;
    const struct rules_policy *policy;
    const struct rules_question *question;
    /* Denied before any rule is asked: the sentence. Then there is no rule. */
    char refusal[320];
    const struct rules_rule *rule; /* NULL: none matches */
    enum muster_verdict verdict;
    struct muster_decision decision;
    struct rules_answer answer;
};

void mu_explain_print(const struct mu_explained *explained, bool json);

#endif
