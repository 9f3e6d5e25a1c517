/* explain.c - `musterctl explain-auth`: which rule of auth_rules decides a question, by the
 * configuration in a file. Parser and rules are the plugin's own.
 *
 * Exit status 0: allowed; 1: denied, or no rule matches; 2: usage, or a wrong configuration. */
#include "auth/explain.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/tree.h"
#include "plugin/offline.h"

static enum mu_ctl_exit refuse(const char *sentence, const char *what) {
    fprintf(stderr, "musterctl: %s%s\n", sentence, what);
    return MU_CTL_USAGE;
}

/* ---- the question ---- */

struct asked {
    struct muster_principal principal;
    struct muster_resource resource;
    enum muster_action action;
};

static enum mu_ctl_exit take_kind(struct asked *asked, const char *kind) {
    for (size_t i = 0; rules_kinds[i] != NULL; i++) {
        if (strcmp(rules_kinds[i], kind) == 0) {
            asked->principal.kind = (enum muster_principal_kind)i;
            return MU_CTL_FINE;
        }
    }
    return refuse("--kind is anonymous, instance, user or operator, not ", kind);
}

/* Of a principal that the file knows everything is taken from there. */
static enum mu_ctl_exit take_principal(struct asked *asked, const struct mu_ctl_options *options,
                                       const struct rules_policy *policy) {
    const char *name = options->principal;
    const struct rules_principal *known =
        name != NULL ? rules_principals_find(&policy->principals, name) : NULL;
    if (known != NULL) {
        asked->principal = known->shown;
        return options->kind == NULL && options->role_count == 0
                   ? MU_CTL_FINE
                   : refuse("--kind and --role are for somebody whom the file does not know: it "
                            "knows ",
                            name);
    }
    if (name != NULL && options->kind == NULL) {
        return refuse("auth_rules does not know this principal, so say --kind: ", name);
    }
    asked->principal.roles = options->roles;
    asked->principal.role_count = options->role_count;
    enum mu_ctl_exit status = take_kind(asked, options->kind != NULL     ? options->kind
                                               : options->role_count > 0 ? "operator"
                                                                         : "anonymous");
    bool anonymous = asked->principal.kind == MUSTER_PRINCIPAL_ANONYMOUS;
    asked->principal.id = name != NULL ? name : anonymous ? "anonymous" : "";
    return status;
}

static enum mu_ctl_exit take_action(struct asked *asked, const struct mu_ctl_options *options) {
    static const enum muster_action actions[] = {
#define ACTION(name, arguments, least, action, writes, usage) MUSTER_ACTION_##action,
        MUSTER_OPERATION_TABLE(ACTION)
#undef ACTION
    };
    static const char *const names[] = {
#define NAME(name, arguments, least, action, writes, usage) #name,
        MUSTER_OPERATION_TABLE(NAME)
#undef NAME
    };
    enum muster_operation operation = MUSTER_OPERATION_START;
    if (options->operation != NULL) {
        if (!rules_operation_find(options->operation, &operation)) {
            return refuse("there is no operation ", options->operation);
        }
        asked->action = actions[operation];
        asked->resource.operation = names[operation];
    }
    if (options->action != NULL && !rules_action_find(options->action, &asked->action)) {
        return refuse("there is no action ", options->action);
    }
    bool lead = asked->action == MUSTER_ACTION_SESSION_LEAD &&
                (operation == MUSTER_OPERATION_ENTER || operation == MUSTER_OPERATION_JOIN);
    return options->operation == NULL || asked->action == actions[operation] || lead
               ? MU_CTL_FINE
               : refuse("the action is not that of the operation: leave out --action ",
                        options->action);
}

static enum mu_ctl_exit take_question(struct asked *asked, const struct mu_ctl_options *options,
                                      const struct rules_policy *policy) {
    enum mu_ctl_exit status = take_principal(asked, options, policy);
    if (status == MU_CTL_FINE) {
        status = take_action(asked, options);
    }
    asked->resource.session = options->session_count > 0 ? options->sessions[0] : NULL;
    asked->resource.connection = options->connection;
    asked->resource.instance = options->instance;
    asked->resource.user = options->user;
    return status;
}

/* ---- the answer ---- */

/* What the daemon decides before it asks anybody. */
static bool refused_before(struct mu_explained *explained) {
    const struct muster_principal *principal = explained->question->principal;
    const char *instance = explained->question->resource->instance;
    if (principal->expires_at != 0 && (uint64_t)time(NULL) >= principal->expires_at / 1000) {
        snprintf(explained->refusal, sizeof explained->refusal,
                 "the credentials of '%s' have "
                 "expired",
                 principal->id);
    } else if (principal->instance != NULL && instance != NULL &&
               strcmp(principal->instance, instance) != 0) {
        snprintf(explained->refusal, sizeof explained->refusal,
                 "the caller is bound to instance '%s'", principal->instance);
    }
    return explained->refusal[0] != '\0';
}

static enum mu_ctl_exit explain(const struct mu_ctl_options *options,
                                const struct mu_config *config, const struct rules_policy *policy) {
    struct asked asked = {.action = MUSTER_ACTION_ADMIN};
    enum mu_ctl_exit status = take_question(&asked, options, policy);
    struct rules_question question = {&asked.principal, asked.action, &asked.resource};
    struct mu_explained explained = {
        .config = config, .policy = policy, .question = &question, .verdict = MUSTER_DEFER};
    if (status != MU_CTL_FINE) {
        return status;
    }
    if (refused_before(&explained)) {
        explained.verdict = MUSTER_DENY;
    } else {
        explained.rule = rules_policy_find(policy, &question);
    }
    if (explained.rule != NULL) {
        explained.verdict =
            rules_say(explained.rule, &question, &explained.answer, &explained.decision);
    }
    mu_explain_print(&explained, options->json);
    return explained.verdict == MUSTER_ALLOW ? MU_CTL_FINE : MU_CTL_NO;
}

static enum mu_ctl_exit read_and_explain(const struct mu_ctl_options *options,
                                         const struct mu_config *config) {
    static const struct mu_schema schema = {RULES_PLUGIN_NAME, RULES_PLUGIN_NAME ".so", rules_keys,
                                            RULES_KEYS};
    struct muster_config *tree = NULL;
    struct muster_complaint complaint = {""};
    struct mu_error error = {0};
    if (mu_offline_read(config, &schema, &tree, &error) != MUSTER_OK) {
        return refuse(error.text, "");
    }
    struct rules_reader reader = {.host = mu_offline_host(), .complaint = &complaint};
    struct rules_policy *policy = rules_policy_read(&reader, tree);
    enum mu_ctl_exit status =
        policy != NULL ? explain(options, config, policy) : refuse(complaint.text, "");
    rules_policy_destroy(&policy);
    mu_tree_destroy(&tree);
    return status;
}

enum mu_ctl_exit mu_ctl_explain_auth(const struct mu_ctl_options *options) {
    const char *path = options->config != NULL ? options->config : MU_CTL_CONFIG_DEFAULT;
    struct mu_error error = {0};
    struct mu_config config;
    mu_config_init(&config);
    enum mu_ctl_exit status = mu_config_load(&config, path, &error) == MUSTER_OK
                                  ? read_and_explain(options, &config)
                                  : refuse(error.text, "");
    mu_config_deinit(&config);
    return status;
}
