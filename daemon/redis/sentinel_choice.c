#include "redis/sentinel_choice.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/address.h"

static bool is_text(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING && reply->str != NULL;
}

static bool read_whole(const char *text, uint64_t max, uint64_t *value) {
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || number > max) {
        return false;
    }
    *value = number;
    return true;
}

void mu_sentinel_read_address(const redisReply *reply, struct mu_sentinel_answer *answer) {
    uint64_t port = 0;
    answer->kind = MU_SENTINEL_AWAY;
    if (reply->type == REDIS_REPLY_NIL ||
        (reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "No such master") != NULL)) {
        answer->kind = MU_SENTINEL_IGNORANT;
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || !is_text(reply->element[0]) ||
        !is_text(reply->element[1])) {
        return;
    }
    const redisReply *host = reply->element[0];
    if (host->len >= MU_SENTINEL_HOST_SIZE || !mu_redis_host_valid(host->str, host->len) ||
        !read_whole(reply->element[1]->str, UINT16_MAX, &port) || port == 0) {
        return;
    }
    snprintf(answer->host, sizeof answer->host, "%s", host->str);
    answer->port = (uint16_t)port;
    answer->kind = MU_SENTINEL_NAMED;
}

uint64_t mu_sentinel_read_epoch(const redisReply *reply) {
    uint64_t epoch = 0;
    if (reply->type != REDIS_REPLY_ARRAY) {
        return 0;
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (is_text(reply->element[i]) && is_text(reply->element[i + 1]) &&
            strcmp(reply->element[i]->str, "config-epoch") == 0 &&
            read_whole(reply->element[i + 1]->str, UINT64_MAX, &epoch)) {
            return epoch;
        }
    }
    return 0;
}

bool mu_sentinel_is_switch(const char *payload, const char *master) {
    size_t length = strlen(master);
    return strncmp(payload, master, length) == 0 && payload[length] == ' ';
}

enum mu_sentinel_role mu_sentinel_read_role(const redisReply *reply) {
    if (reply->type == REDIS_REPLY_ERROR) {
        return MU_SENTINEL_SECRET;
    }
    return is_text(reply) && strstr(reply->str, "\nrole:master\r\n") != NULL ? MU_SENTINEL_MASTER
                                                                             : MU_SENTINEL_OTHER;
}

bool mu_sentinel_master_valid(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr(".-_", name[i])) {
            return false; /* the same that a sentinel's configuration allows */
        }
    }
    return length > 0 && length <= MU_SENTINEL_MASTER_MAX;
}

static size_t votes(const struct mu_sentinel_answer *answers, size_t count, const char *host,
                    uint16_t port, uint64_t epoch) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += answers[i].kind == MU_SENTINEL_NAMED && answers[i].epoch == epoch &&
                 answers[i].port == port && strcmp(answers[i].host, host) == 0;
    }
    return found;
}

static size_t votes_like(const struct mu_sentinel_answer *answers, size_t count, size_t index) {
    const struct mu_sentinel_answer *like = &answers[index];
    return votes(answers, count, like->host, like->port, like->epoch);
}

/* `count`: none. */
static size_t best_of(const struct mu_sentinel_answer *answers, size_t count, uint64_t now) {
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        if (answers[i].kind != MU_SENTINEL_NAMED || now < answers[i].refused_until) {
            continue;
        }
        if (best == count || answers[i].epoch > answers[best].epoch ||
            (answers[i].epoch == answers[best].epoch &&
             votes_like(answers, count, i) > votes_like(answers, count, best))) {
            best = i;
        }
    }
    return best;
}

size_t mu_sentinel_choose(const struct mu_sentinel_answer *answers, size_t count,
                          const struct mu_sentinel_current *current, uint64_t now) {
    size_t best = best_of(answers, count, now);
    if (best == count ||
        (current->port == answers[best].port && strcmp(current->host, answers[best].host) == 0)) {
        return count;
    }
    if (current->host[0] == '\0' || current->doubted || answers[best].epoch > current->epoch) {
        return best;
    }
    /* Of two that differ in one epoch, which should not be, a working connection stays with what
     * as many name. */
    bool more = answers[best].epoch == current->epoch &&
                votes_like(answers, count, best) >
                    votes(answers, count, current->host, current->port, current->epoch);
    return more ? best : count;
}
