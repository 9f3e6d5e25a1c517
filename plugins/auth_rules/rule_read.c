/* rule_read.c - a rule as the configuration has it. */
#include <stdio.h>
#include <string.h>

#include "auth_rules/alloc.h"
#include "auth_rules/principals.h"
#include "auth_rules/rule.h"

#define CACHE_MAX UINT64_C(86400000) /* the host keeps nothing for longer */

enum key {
    KEY_PRINCIPAL,
    KEY_ROLE,
    KEY_KIND,
    KEY_ACTION,
    KEY_OPERATION,
    KEY_SESSION,
    KEY_CONNECTION,
    KEY_INSTANCE,
    KEY_USER,
    KEY_EFFECT,
    KEY_REASON,
    KEY_CACHE,
    KEY_QUOTA,
    KEY_RATE,
    KEYS
};

static const char *const key_names[KEYS + 1] = {
    "principal", "role", "kind",   "action", "operation", "session", "connection",
    "instance",  "user", "effect", "reason", "cache",     "quota",   "rate",
};

/* ---- on what it matches ---- */

struct globs_taker {
    struct rules_globs *globs;
    enum rules_alphabet alphabet;
    const char *name;
};

static enum muster_status take_glob(void *context, const struct rules_reader *reader,
                                    const struct muster_config *item, const char *text) {
    struct globs_taker *taker = context;
    const char *wrong = NULL;
    struct rules_glob *glob = &taker->globs->items[taker->globs->count];
    if (rules_glob_read(glob, taker->alphabet, text, &wrong) != MUSTER_OK) {
        return rules_complain(reader, item, "%s: '%.64s' %s", taker->name, text, wrong);
    }
    taker->globs->count++;
    return MUSTER_OK;
}

static enum muster_status read_globs(struct rules_globs *globs, const struct rules_reader *reader,
                                     const struct muster_config *node, const char *name,
                                     enum rules_alphabet alphabet) {
    struct globs_taker taker = {globs, alphabet, name};
    if (node == NULL) {
        return MUSTER_OK;
    }
    size_t count = rules_count(reader, node);
    globs->items =
        rules_calloc(count <= RULES_ALTERNATIVES_MAX ? count : 1, sizeof globs->items[0]);
    return rules_read_each(reader, node, name, RULES_ALTERNATIVES_MAX, take_glob, &taker);
}

static enum muster_status take_role(void *context, const struct rules_reader *reader,
                                    const struct muster_config *item, const char *text) {
    struct rules_rule *rule = context;
    if (strlen(text) > RULES_TEXT_MAX) {
        return rules_complain(reader, item, "role: is too long; allowed are 1 to 256 bytes");
    }
    rule->roles[rule->role_count++] = rules_dup(text);
    return MUSTER_OK;
}

static enum muster_status read_roles(struct rules_rule *rule, const struct rules_reader *reader,
                                     const struct muster_config *node) {
    size_t count = rules_count(reader, node);
    rule->roles = rules_calloc(count <= RULES_ALTERNATIVES_MAX ? count : 1, sizeof(char *));
    return rules_read_each(reader, node, "role", RULES_ALTERNATIVES_MAX, take_role, rule);
}

static enum muster_status take_kind(void *context, const struct rules_reader *reader,
                                    const struct muster_config *item, const char *text) {
    struct rules_rule *rule = context;
    size_t index = 0;
    (void)text;
    enum muster_status status = rules_read_word(reader, item, "kind", rules_kinds, &index);
    rule->kinds |= status == MUSTER_OK ? UINT32_C(1) << index : 0;
    return status;
}

/* A pattern over the names of actions; one that fits none is a slip of the pen. */
static enum muster_status take_action(void *context, const struct rules_reader *reader,
                                      const struct muster_config *item, const char *text) {
    struct rules_rule *rule = context;
    struct rules_glob glob;
    const char *wrong = NULL;
    uint32_t found = 0;
    if (rules_glob_read(&glob, RULES_OF_NAMES, text, &wrong) != MUSTER_OK) {
        return rules_complain(reader, item, "action: %s", wrong);
    }
    for (unsigned i = 0; i < MUSTER_ACTIONS; i++) {
        const char *name = rules_action_name((enum muster_action)i);
        found |= rules_glob_match(&glob, NULL, name, RULES_COVERS) ? UINT32_C(1) << i : 0;
    }
    rules_glob_deinit(&glob);
    rule->actions |= found;
    return found != 0
               ? MUSTER_OK
               : rules_complain(reader, item,
                                "action: '%.64s' matches no action; allowed are instance.start, "
                                "instance.drain, connection.register, connection.resume, "
                                "session.enter, session.lead, session.promote, session.kick, "
                                "session.configure, session.read, events.subscribe and admin, and "
                                "patterns such as session.*",
                                text);
}

static enum muster_status take_operation(void *context, const struct rules_reader *reader,
                                         const struct muster_config *item, const char *text) {
    struct rules_rule *rule = context;
    enum muster_operation operation;
    if (!rules_operation_find(text, &operation)) {
        return rules_complain(reader, item,
                              "operation: '%.64s' is none; allowed are names such as ENTER", text);
    }
    rule->operations |= UINT64_C(1) << operation;
    return MUSTER_OK;
}

static enum muster_status read_conditions(struct rules_rule *rule,
                                          const struct rules_reader *reader,
                                          const struct muster_config *const *given) {
    const struct {
        struct rules_globs *globs;
        enum key key;
        enum rules_alphabet alphabet;
    } globs[] = {
        {&rule->principals, KEY_PRINCIPAL, RULES_OF_NAMES},
        {&rule->sessions, KEY_SESSION, RULES_OF_IDS},
        {&rule->connections, KEY_CONNECTION, RULES_OF_IDS},
        {&rule->instances, KEY_INSTANCE, RULES_OF_IDS},
        {&rule->users, KEY_USER, RULES_OF_IDS},
    };
    enum muster_status status = MUSTER_OK;
    for (size_t i = 0; status == MUSTER_OK && i < sizeof globs / sizeof globs[0]; i++) {
        status = read_globs(globs[i].globs, reader, given[globs[i].key], key_names[globs[i].key],
                            globs[i].alphabet);
    }
    if (status == MUSTER_OK && given[KEY_ROLE] != NULL) {
        status = read_roles(rule, reader, given[KEY_ROLE]);
    }
    if (status == MUSTER_OK && given[KEY_KIND] != NULL) {
        status = rules_read_each(reader, given[KEY_KIND], "kind", 4, take_kind, rule);
    }
    if (status == MUSTER_OK && given[KEY_ACTION] != NULL) {
        status = rules_read_each(reader, given[KEY_ACTION], "action", RULES_ALTERNATIVES_MAX,
                                 take_action, rule);
    }
    if (status == MUSTER_OK && given[KEY_OPERATION] != NULL) {
        status = rules_read_each(reader, given[KEY_OPERATION], "operation", RULES_ALTERNATIVES_MAX,
                                 take_operation, rule);
    }
    return status;
}

/* ---- what it says ---- */

static enum muster_status read_holder(const struct rules_reader *reader,
                                      const struct muster_config *node, const char *name,
                                      bool *per_user) {
    static const char *const holders[] = {"principal", "user", NULL};
    size_t index = 0;
    enum muster_status status =
        node != NULL ? rules_read_word(reader, node, name, holders, &index) : MUSTER_OK;
    *per_user = index == 1;
    return status;
}

/* One of the numbers of a quota or a rate; one that is not given stays as it is. */
static enum muster_status read_optional(const struct rules_reader *reader,
                                        const struct muster_config *node, const char *name,
                                        enum muster_config_type type, uint64_t most,
                                        uint64_t *number) {
    return node != NULL ? rules_read_number(reader, node, name, type, 1, most, number) : MUSTER_OK;
}

static enum muster_status read_quota(struct rules_rule *rule, const struct rules_reader *reader,
                                     const struct muster_config *node) {
    static const char *const keys[] = {"connections", "sessions", "per", NULL};
    const struct muster_config *given[3];
    uint64_t connections = 0;
    uint64_t sessions = 0;
    enum muster_status status = rules_check_keys(reader, node, keys);
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; i < 3; i++) {
        given[i] = reader->host->config_get(reader->plugin, node, keys[i]);
    }
    if (given[0] == NULL && given[1] == NULL) {
        return rules_complain(reader, node,
                              "quota: bounds nothing; allowed are connections and "
                              "sessions, or both");
    }
    status = read_optional(reader, given[0], "quota.connections", MUSTER_CONFIG_INTEGER, UINT32_MAX,
                           &connections);
    if (status == MUSTER_OK) {
        status = read_optional(reader, given[1], "quota.sessions", MUSTER_CONFIG_INTEGER,
                               UINT32_MAX, &sessions);
    }
    rule->quota.connections = (uint32_t)connections;
    rule->quota.sessions = (uint32_t)sessions;
    return status == MUSTER_OK ? read_holder(reader, given[2], "quota.per", &rule->quota.per_user)
                               : status;
}

static enum muster_status read_rate(struct rules_rule *rule, const struct rules_reader *reader,
                                    const struct muster_config *node) {
    static const char *const keys[] = {"requests", "per", "burst", "each", NULL};
    const struct muster_config *given[4];
    enum muster_status status = rules_check_keys(reader, node, keys);
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; i < 4; i++) {
        given[i] = reader->host->config_get(reader->plugin, node, keys[i]);
    }
    if (given[0] == NULL) {
        return rules_complain(reader, node, "rate: requests is missing; allowed is a whole number");
    }
    rule->rate.per_ms = 1000;
    status = read_optional(reader, given[0], "rate.requests", MUSTER_CONFIG_INTEGER,
                           RULES_RATE_REQUESTS_MAX, &rule->rate.requests);
    rule->rate.burst = rule->rate.requests;
    if (status == MUSTER_OK) {
        status = read_optional(reader, given[1], "rate.per", MUSTER_CONFIG_DURATION,
                               RULES_RATE_PER_MAX, &rule->rate.per_ms);
    }
    if (status == MUSTER_OK) {
        status = read_optional(reader, given[2], "rate.burst", MUSTER_CONFIG_INTEGER,
                               RULES_RATE_REQUESTS_MAX, &rule->rate.burst);
    }
    return status == MUSTER_OK ? read_holder(reader, given[3], "rate.each", &rule->rate_per_user)
                               : status;
}

static enum muster_status read_effect(struct rules_rule *rule, const struct rules_reader *reader,
                                      const struct muster_config *node,
                                      const struct muster_config *const *given) {
    static const char *const effects[] = {"deny", "allow", NULL};
    size_t index = 0;
    if (given[KEY_EFFECT] == NULL) {
        return rules_complain(reader, node, "effect: is missing; allowed are allow and deny");
    }
    enum muster_status status =
        rules_read_word(reader, given[KEY_EFFECT], "effect", effects, &index);
    rule->allow = index == 1;
    if (status != MUSTER_OK) {
        return status;
    }
    if (!rule->allow && (given[KEY_QUOTA] != NULL || given[KEY_RATE] != NULL)) {
        return rules_complain(reader, given[KEY_QUOTA] != NULL ? given[KEY_QUOTA] : given[KEY_RATE],
                              "quota and rate bound what is allowed; this rule denies");
    }
    if (rule->allow && given[KEY_REASON] != NULL) {
        return rules_complain(reader, given[KEY_REASON],
                              "reason: is told to who is denied; this rule allows");
    }
    if (given[KEY_RATE] != NULL && given[KEY_CACHE] != NULL) {
        return rules_complain(reader, given[KEY_CACHE],
                              "cache: a rule with a rate is asked each time");
    }
    return MUSTER_OK;
}

static enum muster_status read_answer(struct rules_rule *rule, const struct rules_reader *reader,
                                      const struct muster_config *const *given) {
    enum muster_status status = MUSTER_OK;
    if (given[KEY_REASON] != NULL) {
        const char *text = NULL;
        status = rules_read_text(reader, given[KEY_REASON], "reason", RULES_SENTENCE_MAX, &text);
        rule->reason = status == MUSTER_OK ? rules_dup(text) : NULL;
    }
    if (status == MUSTER_OK && given[KEY_CACHE] != NULL) {
        status = rules_read_number(reader, given[KEY_CACHE], "cache", MUSTER_CONFIG_DURATION, 0,
                                   CACHE_MAX, &rule->cache_ms);
    }
    if (status == MUSTER_OK && given[KEY_QUOTA] != NULL) {
        status = read_quota(rule, reader, given[KEY_QUOTA]);
    }
    if (status == MUSTER_OK && given[KEY_RATE] != NULL) {
        status = read_rate(rule, reader, given[KEY_RATE]);
    }
    return status;
}

/* ---- the whole ---- */

enum muster_status rules_rule_read(struct rules_rule *rule, struct rules_reader *reader,
                                   const struct muster_config *node, size_t number) {
    const struct muster_config *given[KEYS];
    memset(rule, 0, sizeof *rule);
    snprintf(reader->where, sizeof reader->where, "rules: rule %zu: ", number);
    enum muster_status status = rules_check_keys(reader, node, key_names);
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; i < KEYS; i++) {
        given[i] = reader->host->config_get(reader->plugin, node, key_names[i]);
    }
    rule->number = number;
    rule->place = reader->host->config_place(reader->plugin, node);
    status = read_effect(rule, reader, node, given);
    status = status == MUSTER_OK ? read_conditions(rule, reader, given) : status;
    status = status == MUSTER_OK ? read_answer(rule, reader, given) : status;
    if (status != MUSTER_OK) {
        rules_rule_deinit(rule);
    }
    return status;
}

static void deinit_globs(struct rules_globs *globs) {
    for (size_t i = 0; i < globs->count; i++) {
        rules_glob_deinit(&globs->items[i]);
    }
    free(globs->items);
}

void rules_rule_deinit(struct rules_rule *rule) {
    deinit_globs(&rule->principals);
    deinit_globs(&rule->sessions);
    deinit_globs(&rule->connections);
    deinit_globs(&rule->instances);
    deinit_globs(&rule->users);
    for (size_t i = 0; i < rule->role_count; i++) {
        free(rule->roles[i]);
    }
    free(rule->roles);
    free(rule->reason);
    memset(rule, 0, sizeof *rule);
}
