/* stages.c - the way of a request from the queue to Redis, one stage after the other. Each stage is
 * given the request and hands it on; how it ends is request.c's. A verdict may come from inside the
 * question, so a reference is held while asking. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "request/decode.h"
#include "request/request_internal.h"

#define SIGNATURE 400
#define SIGNATURE_ID 128 /* of the principal's, at most; the rest are our own names */

static bool waits(const struct mu_one_request *request, enum mu_life life) {
    assert(request->magic == MU_REQUEST_MAGIC);
    return request->life == life;
}

/* ---- Redis ---- */

static void on_answer(void *context, const struct mu_answer *answer) {
    struct mu_one_request *request = context;
    mu_request_ref(request);
    mu_request_left_redis(request);
    if (waits(request, MU_LIFE_APPLYING)) {
        mu_request_answer(request,
                          &(struct muster_result){.status = answer->status,
                                                  .json = answer->json,
                                                  .length = answer->length,
                                                  .message = answer->message,
                                                  .retry = muster_status_retry(answer->status)});
    }
    mu_request_unref(&request);
}

/* An order goes to Redis with who gave it, whom nobody can choose: in front of its arguments. */
static void sign(struct mu_one_request *request) {
    const struct muster_principal *principal = mu_caller_principal(request->caller);
    char by[SIGNATURE];
    snprintf(by, sizeof by, "%.*s, %s of %s", SIGNATURE_ID, principal->id, request->door,
             request->owner_set->options.daemon != NULL ? request->owner_set->options.daemon
                                                        : "muster");
    request->arguments =
        mu_realloc(request->arguments, (request->count + 1) * sizeof *request->arguments);
    memmove(request->arguments + 1, request->arguments,
            request->count * sizeof *request->arguments);
    request->arguments[0] = (struct muster_text){mu_strdup(by), strlen(by)};
    request->count++;
}

static void apply(struct mu_one_request *request) {
    if (request->operation == MUSTER_OPERATION_ORDER) {
        sign(request);
    }
    struct mu_registry *registry = request->owner_set->options.registry;
    mu_request_move(request, MU_LIFE_APPLYING);
    mu_request_ref(request); /* until Redis answers */
    request->at_redis = true;
    request->owner_set->counts.at_redis++;
    enum muster_status status = mu_registry_apply(registry, request->operation, request->count,
                                                  request->arguments, on_answer, request);
    if (status != MUSTER_OK) {
        char message[MU_ERROR_TEXT];
        snprintf(message, sizeof message, "%s", mu_registry_refusal(registry));
        mu_request_fail(request, status, message);
        mu_request_left_redis(request);
    }
}

/* ---- may it ---- */

static void ask(struct mu_one_request *request);

/* Puts `text` in the place of the options; takes it over. */
static void replace_options(struct mu_one_request *request, char *text) {
    size_t position = mu_decode_position(request->operation, 'o');
    if (position >= request->count) {
        request->arguments =
            mu_realloc(request->arguments, (position + 1) * sizeof *request->arguments);
        assert(position == request->count); /* options follow what is required */
        request->arguments[request->count++] = (struct muster_text){NULL, 0};
    }
    char *old = (char *)(uintptr_t)request->arguments[position].data;
    if (old != NULL) { /* it may hold a resume secret */
        explicit_bzero(old, request->arguments[position].length);
    }
    free(old);
    request->arguments[position] = (struct muster_text){text, strlen(text)};
}

static const char *options_of(const struct mu_one_request *request) {
    const struct muster_text *options =
        mu_decode_argument(request->operation, 'o', request->count, request->arguments);
    return options != NULL ? options->data : "";
}

static void bad_options(struct mu_one_request *request) {
    mu_request_fail(request, MUSTER_BAD_JSON, "the options must be one strict JSON object");
}

/* The quota goes with the request: only Redis can count. */
static void apply_allowed(struct mu_one_request *request) {
    if (request->quota.holder != NULL) {
        char *text = mu_options_with_quota(options_of(request), &request->quota);
        if (text == NULL) {
            bad_options(request);
            return;
        }
        replace_options(request, text);
    }
    apply(request);
}

static void join_without_lead(struct mu_one_request *request) {
    char *text = mu_options_without_lead(options_of(request));
    if (text == NULL) {
        bad_options(request);
        return;
    }
    replace_options(request, text);
    apply_allowed(request);
}

/* The last question but one was allowed: what comes then? */
static void allowed(struct mu_one_request *request) {
    bool joins =
        request->operation == MUSTER_OPERATION_ENTER || request->operation == MUSTER_OPERATION_JOIN;
    if (++request->step < mu_decode_steps(request->operation, request->count)) {
        ask(request);
    } else if (joins && !request->asked_lead) {
        request->asked_lead = true;
        ask(request);
    } else {
        apply_allowed(request);
    }
}

static bool takes_quota(enum muster_operation operation) {
    return operation == MUSTER_OPERATION_REGISTER || operation == MUSTER_OPERATION_ENTER ||
           operation == MUSTER_OPERATION_JOIN || operation == MUSTER_OPERATION_RESUME;
}

/* Who says that it may lead says nothing about how much it may hold. */
static void remember_quota(struct mu_one_request *request, const struct mu_quota *quota) {
    if (quota->holder != NULL && !request->asked_lead && takes_quota(request->operation)) {
        request->quota = *quota;
        request->quota.holder = mu_strdup(quota->holder);
    }
}

static void on_verdict(void *context, const struct mu_ruling *verdict) {
    struct mu_one_request *request = context;
    request->ticket = 0;
    if (!waits(request, MU_LIFE_AUTHORIZING)) {
        return;
    }
    if (request->kind == MU_ASK_WHETHER) {
        mu_request_done(request, verdict);
    } else if (verdict->status == MUSTER_OK) {
        remember_quota(request, &verdict->quota);
        allowed(request);
    } else if (verdict->status == MUSTER_DENIED && request->asked_lead) {
        join_without_lead(request);
    } else {
        mu_request_fail(request, verdict->status, verdict->reason);
    }
}

static void ask(struct mu_one_request *request) {
    if (request->kind == MU_ASK_OPERATION) {
        request->action = request->asked_lead ? MUSTER_ACTION_SESSION_LEAD
                                              : mu_operations[request->operation].action;
        mu_decode_resource(request->operation, request->count, request->arguments, request->step,
                           &request->resource);
        request->resource.user = request->user;
        request->resource.claims = request->claims;
    }
    mu_request_ref(request);
    mu_auth_authorize(request->owner_set->options.auth, request->caller, request->action,
                      &request->resource, on_verdict, request, &request->ticket);
    mu_request_unref(&request);
}

static void authorize(struct mu_one_request *request) {
    mu_request_move(request, MU_LIFE_AUTHORIZING);
    ask(request);
}

/* ---- whose credential is in the options ---- */

static void take_user(struct mu_one_request *request, const struct mu_ruling *verdict) {
    const char *user = verdict->user != NULL ? verdict->user : request->options.user;
    if (verdict->claims != NULL) {
        request->claims = mu_strdup(verdict->claims);
    }
    char *rest = request->options.rest;
    request->options.rest = NULL;
    if (user != NULL) {
        char *with_user = mu_options_with_user(rest, user);
        free(rest);
        rest = with_user;
        request->user = mu_strdup(user);
    }
    mu_options_deinit(&request->options);
    if (rest == NULL) {
        bad_options(request);
        return;
    }
    replace_options(request, rest);
    authorize(request);
}

static void on_user(void *context, const struct mu_ruling *verdict) {
    struct mu_one_request *request = context;
    request->ticket = 0;
    if (!waits(request, MU_LIFE_VERIFYING)) {
        return;
    }
    if (verdict->status == MUSTER_OK) {
        take_user(request, verdict);
    } else {
        mu_request_fail(request, verdict->status, verdict->reason);
    }
}

/* Wipes the argument too: from here on only `options` holds the credential. */
static void verify(struct mu_one_request *request) {
    const struct muster_text *options =
        mu_decode_argument(request->operation, 'o', request->count, request->arguments);
    bool takes_one = request->operation != MUSTER_OPERATION_CONFIGURE &&
                     request->operation != MUSTER_OPERATION_DRAIN &&
                     request->operation != MUSTER_OPERATION_JOIN;
    struct mu_error error;
    if (options == NULL) {
        authorize(request);
        return;
    }
    enum muster_status status = mu_options_take(options, &request->options, &error);
    if (status != MUSTER_OK) {
        mu_request_fail(request, status, error.text);
        return;
    }
    if (request->options.credential == NULL) {
        if (takes_one) {
            request->user = request->options.user; /* as the caller says */
            request->options.user = NULL;
        }
        authorize(request);
        return;
    }
    if (!takes_one) { /* the functions would refuse it as well, but Redis must not see it */
        mu_request_fail(request, MUSTER_BAD_REQUEST,
                        "option 'credential' is for REGISTER, ENTER and RESUME");
        return;
    }
    explicit_bzero((char *)(uintptr_t)options->data, options->length);
    mu_request_move(request, MU_LIFE_VERIFYING);
    request->end_user = (struct muster_credentials){
        .purpose = MUSTER_PURPOSE_END_USER,
        .token = {request->options.credential, request->options.credential_length},
        .peer = request->credentials.peer,
        .transport = request->door,
        .requested_user = request->options.user,
    };
    mu_request_ref(request);
    mu_auth_authenticate(request->owner_set->options.auth, &request->end_user, on_user, request,
                         &request->ticket);
    mu_request_unref(&request);
}

/* ---- who calls ---- */

static void on_caller(void *context, const struct mu_ruling *verdict) {
    struct mu_one_request *request = context;
    request->ticket = 0;
    if (!waits(request, MU_LIFE_AUTHENTICATING)) {
        return;
    }
    if (request->kind == MU_ASK_WHO) {
        mu_request_done(request, verdict);
    } else if (verdict->status == MUSTER_OK) {
        request->caller = mu_caller_ref(verdict->caller);
        verify(request);
    } else {
        mu_request_fail(request, verdict->status, verdict->reason);
    }
}

static void authenticate(struct mu_one_request *request) {
    mu_request_move(request, MU_LIFE_AUTHENTICATING);
    mu_request_ref(request);
    mu_auth_authenticate(request->owner_set->options.auth, &request->credentials, on_caller,
                         request, &request->ticket);
    mu_request_unref(&request);
}

/* ---- well-formed ---- */

static bool decode(struct mu_one_request *request) {
    struct mu_requests *set = request->owner_set;
    struct mu_error error;
    if (!mu_operation_find(request->name, strlen(request->name), &request->operation)) {
        char message[160];
        set->counts.unknown_operation++;
        snprintf(message, sizeof message, "there is no operation '%.40s%s'; STATUS is one",
                 request->name, strlen(request->name) > 40 ? "..." : "");
        mu_request_fail(request, MUSTER_BAD_REQUEST, message);
        return false;
    }
    request->decoded = true;
    set->counts.submitted[request->operation]++;
    enum muster_status status = mu_decode(request->operation, request->count, request->arguments,
                                          set->options.limits.argument_max, &error);
    if (status != MUSTER_OK) {
        mu_request_fail(request, status, error.text);
        return false;
    }
    return true;
}

void mu_request_begin(struct mu_one_request *request) {
    if (request->kind == MU_ASK_WHETHER) {
        authorize(request);
    } else if (request->kind == MU_ASK_WHO) {
        authenticate(request);
    } else if (decode(request)) {
        if (request->caller != NULL) {
            verify(request);
        } else if (request->has_credentials) {
            authenticate(request);
        } else {
            request->caller = mu_caller_anonymous();
            verify(request);
        }
    }
}
