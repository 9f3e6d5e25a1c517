/* rule.c - holds a rule against a question. */
#include "auth_rules/rule.h"

#include <string.h>
#include <strings.h>

const char *const rules_field_names[] = {
    [RULES_MATCHES] = "",        [RULES_ACTION] = "action",         [RULES_OPERATION] = "operation",
    [RULES_KIND] = "kind",       [RULES_PRINCIPAL] = "principal",   [RULES_ROLE] = "role",
    [RULES_SESSION] = "session", [RULES_CONNECTION] = "connection", [RULES_INSTANCE] = "instance",
    [RULES_USER] = "user",
};

static const char *const action_names[] = {
#define NAME(name, text, covers) text,
    MUSTER_ACTION_TABLE(NAME)
#undef NAME
};

static const char *const operation_names[] = {
#define NAME(name, arguments, least, action, writes, usage) #name,
    MUSTER_OPERATION_TABLE(NAME)
#undef NAME
};

const char *rules_action_name(enum muster_action action) {
    return (unsigned)action < MUSTER_ACTIONS ? action_names[action] : "unknown";
}

bool rules_action_find(const char *name, enum muster_action *action) {
    for (size_t i = 0; i < MUSTER_ACTIONS; i++) {
        if (strcmp(action_names[i], name) == 0) {
            *action = (enum muster_action)i;
            return true;
        }
    }
    return false;
}

bool rules_operation_find(const char *name, enum muster_operation *operation) {
    for (size_t i = 0; i < MUSTER_OPERATIONS; i++) {
        if (strcasecmp(operation_names[i], name) == 0) {
            *operation = (enum muster_operation)i;
            return true;
        }
    }
    return false;
}

const char *rules_user_of(const struct rules_question *question) {
    return question->principal->kind == MUSTER_PRINCIPAL_USER ? question->principal->id
                                                              : question->resource->user;
}

/* ---- the fields ---- */

static bool any(const struct rules_globs *globs, const struct rules_names *names, const char *value,
                enum rules_reach reach) {
    for (size_t i = 0; value != NULL && i < globs->count; i++) {
        if (rules_glob_match(&globs->items[i], names, value, reach)) {
            return true;
        }
    }
    return globs->count == 0;
}

static bool has_role(const struct rules_rule *rule, const struct muster_principal *principal) {
    for (size_t i = 0; i < rule->role_count; i++) {
        for (size_t j = 0; j < principal->role_count; j++) {
            if (strcmp(rule->roles[i], principal->roles[j]) == 0) {
                return true;
            }
        }
    }
    return rule->role_count == 0;
}

static bool has_operation(const struct rules_rule *rule, const char *name) {
    enum muster_operation operation;
    return rule->operations == 0 || (name != NULL && rules_operation_find(name, &operation) &&
                                     (rule->operations >> operation & 1) != 0);
}

static bool has_bit(uint32_t bits, unsigned bit) {
    return bits == 0 || (bit < 32 && (bits >> bit & 1) != 0);
}

enum rules_field rules_rule_match(const struct rules_rule *rule,
                                  const struct rules_question *question) {
    const struct muster_principal *principal = question->principal;
    const struct muster_resource *resource = question->resource;
    struct rules_names names = {principal->id, principal->instance, rules_user_of(question)};
    /* Only the name of a session can be a pattern, and only one that is subscribed to: everywhere
     * else `*` is no byte of an id. */
    enum rules_reach reach = rule->allow ? RULES_COVERS : RULES_TOUCHES;
    return !has_bit(rule->actions, (unsigned)question->action)                    ? RULES_ACTION
           : !has_operation(rule, resource->operation)                            ? RULES_OPERATION
           : !has_bit(rule->kinds, (unsigned)principal->kind)                     ? RULES_KIND
           : !any(&rule->principals, NULL, principal->id, RULES_COVERS)           ? RULES_PRINCIPAL
           : !has_role(rule, principal)                                           ? RULES_ROLE
           : !any(&rule->sessions, &names, resource->session, reach)              ? RULES_SESSION
           : !any(&rule->connections, &names, resource->connection, RULES_COVERS) ? RULES_CONNECTION
           : !any(&rule->instances, &names, resource->instance, RULES_COVERS)     ? RULES_INSTANCE
           : !any(&rule->users, &names, resource->user, RULES_COVERS)             ? RULES_USER
                                                                                  : RULES_MATCHES;
}
