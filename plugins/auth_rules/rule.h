/* rule.h - one rule: on what it matches, and what it says then. */
#ifndef RULES_RULE_H
#define RULES_RULE_H

#include "auth_rules/bucket.h"
#include "auth_rules/glob.h"
#include "auth_rules/reader.h"

#define RULES_MAX 10000
#define RULES_ALTERNATIVES_MAX 64 /* of one field */
#define RULES_SENTENCE_MAX 200    /* of a reason: what the ABI allows */

struct rules_globs {
    struct rules_glob *items;
    size_t count; /* 0: the rule does not name the field */
};

struct rules_quota {
    uint32_t connections; /* 0: no bound */
    uint32_t sessions;
    bool per_user;
};

struct rules_rule {
    size_t number;     /* in the file, from 1 */
    const char *place; /* file:line:column; the host's */
    struct rules_globs principals;
    struct rules_globs sessions;
    struct rules_globs connections;
    struct rules_globs instances;
    struct rules_globs users;
    char **roles;
    size_t role_count;
    uint32_t kinds;      /* bits by enum muster_principal_kind; 0: any */
    uint32_t actions;    /* bits by enum muster_action; 0: any */
    uint64_t operations; /* bits by enum muster_operation; 0: any, also none */
    bool allow;
    char *reason; /* NULL: the default one */
    uint64_t cache_ms;
    struct rules_quota quota; /* of an allow */
    struct rules_rate rate;   /* of an allow */
    bool rate_per_user;
};

/* The fields, in the order in which they are held against a question. */
enum rules_field {
    RULES_MATCHES, /* all of them fit */
    RULES_ACTION,
    RULES_OPERATION,
    RULES_KIND,
    RULES_PRINCIPAL,
    RULES_ROLE,
    RULES_SESSION,
    RULES_CONNECTION,
    RULES_INSTANCE,
    RULES_USER,
    RULES_FIELDS
};

extern const char *const rules_field_names[]; /* by enum rules_field */

/* What is asked. */
struct rules_question {
    const struct muster_principal *principal;
    enum muster_action action;
    const struct muster_resource *resource;
};

/* On an error the rule is empty and a complaint is written. */
enum muster_status rules_rule_read(struct rules_rule *rule, struct rules_reader *reader,
                                   const struct muster_config *node, size_t number);
void rules_rule_deinit(struct rules_rule *rule);

/* RULES_MATCHES, or the first field that does not fit. A field that the rule names and the question
 * does not have does not fit. */
enum rules_field rules_rule_match(const struct rules_rule *rule,
                                  const struct rules_question *question);

/* The user for `{user}` and for what is counted per user: of a principal that is a user itself its
 * own id, whatever it asks for; else that of the connection; NULL: none. */
const char *rules_user_of(const struct rules_question *question);

/* False: there is no such action or operation. */
bool rules_action_find(const char *name, enum muster_action *action);
/* In any case of letters. */
bool rules_operation_find(const char *name, enum muster_operation *operation);
const char *rules_action_name(enum muster_action action);

#endif
