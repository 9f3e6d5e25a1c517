/* verify.c - tokens wait in a queue and are verified in batches on threads.
 *
 * The happy path: a token that looks like one is copied and waits - a batch of those that wait goes
 * to a thread, with a reference to the settings and to the keys that count now - back on the loop
 * each is decided and wiped.
 *
 * Ways to fail: it is not of our kind (deferred); longer than allowed (denied before anything reads
 * it); too many wait, or no memory (denied with RATE_LIMITED, since it may be tried again); it does
 * not hold (denied with its own sentence); who asked is gone by then (its decision does nothing);
 * no thread is free (it waits on, unless nothing is under way that could free one: denied as
 * above); the plugin stops (what waits is dropped, since the host has denied it; batches are waited
 * for).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugin.h"
#include "token.h"

#define BATCH_MAX 16  /* tokens that one thread verifies in a row */
#define BATCHES_MAX 4 /* under way at once; the pool has about as many threads */

struct jwt_question {
    struct jwt_question *next;
    struct muster_handle handle;
    enum muster_purpose purpose;
    bool has_requested;
    char requested[JWT_NAME_MAX + 1];
    enum jwt_refusal refusal;
    struct jwt_identity identity; /* when it is accepted */
    char *token;
    size_t length;
};

/* A thread owns it until it is done. */
struct batch {
    struct jwt_plugin *jwt;
    struct jwt_settings *settings; /* references of the loop's */
    struct jwt_keys *keys;
    struct jwt_question *first;
};

static uint64_t unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void drop(struct jwt_question **pointer) {
    struct jwt_question *question = *pointer;
    *pointer = NULL;
    jwt_wipe_free(&question->token, question->length);
    free(question);
}

/* ---- the decision ---- */

static void refuse(struct jwt_plugin *jwt, enum jwt_refusal refusal,
                   struct muster_decision *decision) {
    enum jwt_class kind = jwt_refusal_class(refusal);
    jwt->host->metric_add(jwt->refusals[kind], 1);
    decision->verdict = MUSTER_DENY;
    decision->reason = jwt_refusal_sentence(refusal);
    /* OVERLOADED is no code of a decision. This one says the same: it may be tried again. */
    decision->code = kind == JWT_CLASS_BUSY ? MUSTER_RATE_LIMITED : MUSTER_UNAUTHENTICATED;
}

static void decide(struct jwt_plugin *jwt, struct jwt_question *question) {
    struct jwt_identity *identity = &question->identity;
    struct muster_decision decision = {.verdict = MUSTER_ALLOW};
    const struct muster_principal principal = {
        .id = identity->user,
        .kind = identity->kind,
        .instance = identity->instance[0] != '\0' ? identity->instance : NULL,
        .claims = identity->claims,
        .roles = identity->role_names,
        .role_count = identity->role_count,
        .expires_at = identity->until_ms,
    };
    if (question->refusal != JWT_ACCEPTED) {
        refuse(jwt, question->refusal, &decision);
    } else {
        jwt->host->metric_add(jwt->verified, 1);
        if (question->purpose == MUSTER_PURPOSE_CALLER) {
            decision.principal = &principal;
        } else {
            decision.user = identity->user;
            decision.claims = identity->claims;
        }
    }
    jwt->host->decide(jwt->plugin, question->handle, &decision);
    if (question->refusal == JWT_ACCEPTED) {
        jwt_identity_deinit(identity);
    }
}

/* ---- batches ---- */

static void on_thread(void *context) {
    struct batch *batch = context;
    uint64_t now = unix_ms();
    for (struct jwt_question *question = batch->first; question != NULL;
         question = question->next) {
        question->refusal = jwt_token_verify(
            batch->settings, batch->keys, question->token, question->length, question->purpose,
            question->has_requested ? question->requested : NULL, now, &question->identity);
        explicit_bzero(question->token, question->length);
    }
}

/* Decides all of them. */
static void finish(struct batch *batch) {
    struct jwt_plugin *jwt = batch->jwt;
    while (batch->first != NULL) {
        struct jwt_question *question = batch->first;
        batch->first = question->next;
        decide(jwt, question);
        drop(&question);
    }
    jwt_settings_unref(&batch->settings);
    jwt_keys_unref(&batch->keys);
    free(batch);
}

static void on_verified(void *context) {
    struct batch *batch = context;
    struct jwt_plugin *jwt = batch->jwt;
    jwt->batches--;
    finish(batch);
    jwt_dispatch(jwt);
    jwt_settle(jwt);
}

/* The oldest of those that wait. NULL: no memory. */
static struct batch *take_batch(struct jwt_plugin *jwt) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    *batch =
        (struct batch){jwt, jwt_settings_ref(jwt->settings), jwt_keys_ref(jwt->keys), jwt->first};
    struct jwt_question **last = &batch->first;
    for (size_t i = 0; i < BATCH_MAX && *last != NULL; i++) {
        last = &(*last)->next;
        jwt->waiting--;
    }
    jwt->first = *last;
    *last = NULL;
    if (jwt->first == NULL) {
        jwt->last = &jwt->first;
    }
    return batch;
}

/* Back to the head of those that wait. */
static void put_back(struct batch *batch) {
    struct jwt_plugin *jwt = batch->jwt;
    struct jwt_question **last = &batch->first;
    while (*last != NULL) {
        last = &(*last)->next;
        jwt->waiting++;
    }
    if (jwt->first == NULL) {
        jwt->last = last;
    }
    *last = jwt->first;
    jwt->first = batch->first;
    batch->first = NULL;
}

void jwt_dispatch(struct jwt_plugin *jwt) {
    while (!jwt->stopping && jwt->first != NULL && jwt->batches < BATCHES_MAX) {
        struct batch *batch = take_batch(jwt);
        if (batch == NULL) {
            return; /* another one comes, or the deadline of who waits */
        }
        if (jwt->host->work(jwt->plugin, on_thread, on_verified, batch) == MUSTER_OK) {
            jwt->batches++;
            continue;
        }
        bool later = jwt->batches > 0 || jwt->look != NULL; /* then there is room again */
        if (later) {
            put_back(batch);
        }
        for (struct jwt_question *one = batch->first; one != NULL; one = one->next) {
            one->refusal = JWT_REFUSED_BUSY;
        }
        finish(batch);
        if (later) {
            return;
        }
    }
}

void jwt_forget_waiting(struct jwt_plugin *jwt) {
    while (jwt->first != NULL) {
        struct jwt_question *question = jwt->first;
        jwt->first = question->next;
        drop(&question);
    }
    jwt->last = &jwt->first;
    jwt->waiting = 0;
}

/* ---- the question ---- */

static struct jwt_question *copy(struct muster_handle handle,
                                 const struct muster_credentials *credentials) {
    struct jwt_question *question = calloc(1, sizeof *question);
    char *token = malloc(credentials->token.length + 1);
    const char *requested = credentials->requested_user;
    if (question == NULL || token == NULL) {
        free(question);
        free(token);
        return NULL;
    }
    memcpy(token, credentials->token.data, credentials->token.length);
    question->handle = handle;
    question->purpose = credentials->purpose;
    question->token = token;
    question->length = credentials->token.length;
    question->has_requested = requested != NULL;
    if (requested != NULL) { /* one that is too long is cut, and then nobody's */
        strncpy(question->requested, requested, sizeof question->requested - 1);
    }
    return question;
}

enum muster_verdict jwt_authenticate(void *state, struct muster_handle handle,
                                     const struct muster_credentials *credentials,
                                     struct muster_decision *decision) {
    struct jwt_plugin *jwt = state;
    const struct muster_text *token = &credentials->token;
    bool ours = credentials->purpose == MUSTER_PURPOSE_CALLER ? jwt->settings->callers
                                                              : jwt->settings->end_users;
    if (!ours || token->data == NULL || !jwt_token_is_one(token->data, token->length)) {
        return MUSTER_DEFER;
    }
    if (token->length > jwt->settings->max_token) {
        refuse(jwt, JWT_REFUSED_TOO_LONG, decision);
        return MUSTER_DENY;
    }
    if (jwt->waiting >= jwt->settings->max_waiting) {
        refuse(jwt, JWT_REFUSED_BUSY, decision);
        return MUSTER_DENY;
    }
    struct jwt_question *question = copy(handle, credentials);
    if (question == NULL) {
        refuse(jwt, JWT_REFUSED_NO_MEMORY, decision);
        return MUSTER_DENY;
    }
    *jwt->last = question;
    jwt->last = &question->next;
    jwt->waiting++;
    jwt_dispatch(jwt);
    return MUSTER_LATER;
}
