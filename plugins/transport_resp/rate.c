/* rate.c - how often a principal may ask: one bucket of tokens each, shared by its sockets.
 *
 * An anonymous principal is known by its address. A bucket that nobody uses is forgotten only when
 * it is full again, so that a new socket is no new allowance.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

struct resp_bucket {
    struct resp_bucket *next, **link; /* of the door's list */
    size_t users;                     /* sessions */
    uint64_t tokens;                  /* thousandths of a request */
    uint64_t filled_at;               /* ms */
    char *key;
};

static int compare(const void *left, const void *right) {
    return strcmp(((const struct resp_bucket *)left)->key,
                  ((const struct resp_bucket *)right)->key);
}

/* A millisecond brings `rate` thousandths of a request. */
static void fill(const struct resp_door *door, struct resp_bucket *bucket) {
    uint64_t now = door->host->now_ms(door->plugin);
    uint64_t most = door->settings.rate_burst * 1000;
    uint64_t passed = now - bucket->filled_at;
    uint64_t tokens = passed < 3600000 ? bucket->tokens + passed * door->settings.rate : most;
    bucket->tokens = tokens < most ? tokens : most;
    bucket->filled_at = now;
}

/* "p" and the id of a principal, "a" and an address: an id that looks like an address is another.
 */
static char *key_of(const struct resp_session *session) {
    const struct resp_door *door = session->door;
    const struct muster_principal *principal =
        session->caller != NULL ? door->host->caller_principal(door->plugin, session->caller)
                                : NULL;
    bool named = principal != NULL && principal->kind != MUSTER_PRINCIPAL_ANONYMOUS;
    const char *text = named ? principal->id : session->address;
    size_t length = strlen(text);
    char *key = resp_need(malloc(length + 2));
    key[0] = named ? 'p' : 'a';
    memcpy(key + 1, text, length + 1);
    return key;
}

static struct resp_bucket *enter(struct resp_session *session) {
    struct resp_door *door = session->door;
    struct resp_bucket wanted = {.key = key_of(session)};
    struct resp_bucket *const *found = tfind(&wanted, &door->buckets, compare);
    if (found != NULL) {
        free(wanted.key);
        (*found)->users++;
        return *found;
    }
    struct resp_bucket *bucket = resp_need(calloc(1, sizeof *bucket));
    bucket->key = wanted.key;
    bucket->users = 1;
    bucket->tokens = door->settings.rate_burst * 1000;
    bucket->filled_at = door->host->now_ms(door->plugin);
    bucket->next = door->bucket_list;
    bucket->link = &door->bucket_list;
    if (bucket->next != NULL) {
        bucket->next->link = &bucket->next;
    }
    door->bucket_list = bucket;
    (void)resp_need(tsearch(bucket, &door->buckets, compare));
    return bucket;
}

bool resp_rate_take(struct resp_session *session) {
    struct resp_door *door = session->door;
    if (door->settings.rate == 0) {
        return true;
    }
    if (session->bucket == NULL) {
        session->bucket = enter(session);
    }
    fill(door, session->bucket);
    if (session->bucket->tokens < 1000) {
        resp_count_add(&door->counts, RESP_COUNT_RATE_LIMITED, 1);
        return false;
    }
    session->bucket->tokens -= 1000;
    return true;
}

void resp_rate_leave(struct resp_session *session) {
    if (session->bucket != NULL) {
        session->bucket->users--;
        session->bucket = NULL;
    }
}

void resp_rate_sweep(struct resp_door *door) {
    struct resp_bucket *next = NULL;
    for (struct resp_bucket *at = door->bucket_list; at != NULL; at = next) {
        next = at->next;
        if (at->users > 0) {
            continue;
        }
        fill(door, at);
        if (at->tokens < door->settings.rate_burst * 1000) {
            continue;
        }
        tdelete(at, &door->buckets, compare);
        *at->link = at->next;
        if (at->next != NULL) {
            at->next->link = at->link;
        }
        free(at->key);
        free(at);
    }
}
