/* rules.c - an authenticator and authorizer for the contract: rules that stand in the token.
 *
 * Tokens:   instance:<id>   a backend, bound to its instance
 *           backend         a backend, bound to none
 *           operator        an operator
 *           intruder        denied, with a reason
 *           secret:<any>    an operator whose token is really a secret: it is kept nowhere
 *           refused:<any>   denied, with a reason
 *           slow:<token>    the same as <token>, later
 *           never, never:<any>   nobody ever decides
 *           anything else   no opinion
 *           denied, late, slow   a backend who may nothing, whom nobody ever decides about, who may
 *                           everything, later
 * Credentials of end users: secret:<any> is user u1, refused:, slow: and never: as above.
 * Rules:    operators may everything, anonymous ones nothing (no opinion); a backend may everything
 *           but KICK, and by the session's name: "closed" nothing, "slow" everything, later,
 * "never" nobody ever decides, "crowd" everything but lead. "gate": whoever asks may as long as the
 * file `gate` of the configuration is there, and that is cached.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "muster/plugin.h"

#define LATER_MS 100
#define SOON_MS 5
#define CACHE_MS 600000

struct later {
    struct later *next;
    struct rules *rules;
    struct muster_handle handle;
    struct muster_timer *timer;
    bool authenticate;
    char token[160];
};

struct rules {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const char *gate; /* path; the host's; NULL: none */
    struct muster_principal
        principal; /* of the last decision: the host copies it after we return */
    struct later *later;
};

static bool has_prefix(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum muster_verdict judge_token(const char *token, struct muster_principal *principal,
                                       struct muster_decision *decision) {
    *principal = (struct muster_principal){.id = token, .kind = MUSTER_PRINCIPAL_INSTANCE};
    if (has_prefix(token, "instance:")) {
        principal->id = principal->instance = token + 9;
    } else if (strcmp(token, "operator") == 0) {
        principal->kind = MUSTER_PRINCIPAL_OPERATOR;
    } else if (has_prefix(token, "secret:")) {
        principal->id = "keeper";
        principal->kind = MUSTER_PRINCIPAL_OPERATOR;
        decision->user = "u1";
    } else if (strcmp(token, "intruder") == 0) {
        decision->reason = "intruders are not welcome";
        return MUSTER_DENY;
    } else if (has_prefix(token, "refused:")) {
        decision->reason = "this is no longer accepted";
        return MUSTER_DENY;
    } else if (strcmp(token, "backend") != 0 && strcmp(token, "denied") != 0 &&
               strcmp(token, "late") != 0 && strcmp(token, "slow") != 0) {
        return MUSTER_DEFER;
    }
    decision->principal = principal;
    return MUSTER_ALLOW;
}

static void fire(void *context) {
    struct later *later = context;
    struct rules *rules = later->rules;
    struct muster_decision decision = {.verdict = MUSTER_ALLOW};
    if (later->authenticate) {
        decision.verdict = judge_token(later->token, &rules->principal, &decision);
    }
    rules->host->timer_stop(rules->plugin, &later->timer);
    rules->host->decide(rules->plugin, later->handle, &decision);
    struct later **link = &rules->later;
    while (*link != later) {
        link = &(*link)->next;
    }
    *link = later->next;
    free(later);
}

static enum muster_verdict decide_later(struct rules *rules, struct muster_handle handle,
                                        const char *token, uint64_t after_ms) {
    struct later *later = calloc(1, sizeof *later);
    if (later == NULL) {
        abort();
    }
    later->rules = rules;
    later->handle = handle;
    later->authenticate = token != NULL;
    if (token != NULL) {
        strncpy(later->token, token, sizeof later->token - 1);
    }
    later->next = rules->later;
    rules->later = later;
    later->timer = rules->host->timer_start(rules->plugin, after_ms, 0, fire, later);
    return MUSTER_LATER;
}

static enum muster_verdict authenticate(void *state, struct muster_handle handle,
                                        const struct muster_credentials *credentials,
                                        struct muster_decision *decision) {
    struct rules *rules = state;
    const char *token = credentials->token.data;
    if (token == NULL) {
        return MUSTER_DEFER;
    }
    if (has_prefix(token, "slow:")) {
        return decide_later(rules, handle, token + 5, LATER_MS);
    }
    if (strcmp(token, "never") == 0 || has_prefix(token, "never:")) {
        return MUSTER_LATER;
    }
    return judge_token(token, &rules->principal, decision);
}

static enum muster_verdict authorize(void *state, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision) {
    const char *session = resource->session != NULL ? resource->session : "";
    const struct rules *rules = state;
    if (strcmp(session, "gate") == 0 && rules->gate != NULL) {
        decision->cache_ms = CACHE_MS;
        decision->reason = "the gate is shut";
        return access(rules->gate, F_OK) == 0 ? MUSTER_ALLOW : MUSTER_DENY;
    }
    if (principal->kind == MUSTER_PRINCIPAL_OPERATOR) {
        return MUSTER_ALLOW;
    }
    if (principal->kind != MUSTER_PRINCIPAL_INSTANCE) {
        return MUSTER_DEFER;
    }
    if (strcmp(principal->id, "denied") == 0) {
        decision->reason = "nothing for this one";
        return MUSTER_DENY;
    }
    if (strcmp(principal->id, "slow") == 0) {
        return decide_later(state, handle, NULL, SOON_MS);
    }
    if (strcmp(principal->id, "late") == 0) {
        return MUSTER_LATER;
    }
    if (action == MUSTER_ACTION_SESSION_KICK) {
        decision->reason = "backends may not kick";
        return MUSTER_DENY;
    }
    if (strcmp(session, "closed") == 0) {
        decision->reason = "this session is closed";
        return MUSTER_DENY;
    }
    if (strcmp(session, "crowd") == 0 && action == MUSTER_ACTION_SESSION_LEAD) {
        return MUSTER_DENY;
    }
    if (strcmp(session, "slow") == 0) {
        return decide_later(state, handle, NULL, LATER_MS);
    }
    return strcmp(session, "never") == 0 ? MUSTER_LATER : MUSTER_ALLOW;
}

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    struct rules *rules = calloc(1, sizeof *rules);
    (void)complaint;
    if (rules == NULL) {
        abort();
    }
    rules->plugin = plugin;
    rules->host = host;
    const struct muster_config *gate = host->config_get(plugin, NULL, "gate");
    rules->gate = gate != NULL ? host->config_text(plugin, gate) : NULL;
    *state = rules;
    return MUSTER_OK;
}

static void stop(void *state) {
    struct rules *rules = state;
    while (rules->later != NULL) {
        struct later *later = rules->later;
        rules->later = later->next;
        rules->host->timer_stop(rules->plugin, &later->timer);
        free(later);
    }
    rules->host->stopped(rules->plugin);
}

static const struct muster_config_key keys[] = {
    {"gate", MUSTER_CONFIG_TEXT, false, NULL, 1, 4096,
     "A file: while it is there, the gate is open"},
};
static const struct muster_plugin_hooks hooks = {.init = init, .stop = stop, .close = free};
static const struct muster_authenticator_hooks authenticator = {.authenticate = authenticate};
static const struct muster_authorizer_hooks authorizer = {.authorize = authorize};

MUSTER_PLUGIN(MUSTER_AUTHENTICATOR | MUSTER_AUTHORIZER, "contract_rules", "1", keys, 1, &hooks,
              NULL, &authenticator, &authorizer, NULL);
