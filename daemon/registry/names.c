#include "registry/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"

#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(value) #value

void mu_names_deinit(struct mu_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i].id);
    }
    free(names->items);
    *names = (struct mu_names){0};
}

void mu_names_take(struct mu_read *read, struct mu_names *names, const redisReply *list,
                   bool scores, const char *key) {
    size_t step = scores ? 2 : 1;
    if (!list || list->type != REDIS_REPLY_ARRAY) {
        mu_read_damaged(read, key, "gave no list");
        return;
    }
    names->items = mu_calloc((size_t)list->elements / step + 1, sizeof *names->items);
    for (size_t i = 0; i + step <= (size_t)list->elements; i += step) {
        const redisReply *id = mu_read_at(list, i);
        struct mu_named *named = &names->items[names->count];
        if (!mu_read_text(id) || !mu_id_valid(id->str, (size_t)id->len)) {
            mu_read_damaged(read, key, "holds something that is no id");
            return;
        }
        if (scores) {
            named->number = mu_read_number(read, mu_read_at(list, i + 1), key, 0);
        }
        named->id = mu_strndup(id->str, (size_t)id->len);
        names->count++;
    }
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct mu_named *)a)->id, ((const struct mu_named *)b)->id);
}

void mu_names_sort(struct mu_names *names) {
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof *names->items, by_id);
    }
}

bool mu_names_batch(struct mu_read *read, struct mu_names *names,
                    void (*send)(struct mu_read *read, const char *id)) {
    size_t first = names->sent;
    while (names->sent < names->count && names->sent - first < MU_READ_BATCH) {
        send(read, names->items[names->sent++].id);
    }
    return names->sent > first;
}

void mu_names_ask_instances(struct mu_read *read) {
    char key[MU_KEY_SIZE];
    /* One more than allowed, to see that there are more. */
    mu_read_send(read, mu_read_key(read, key, "instances"), "ZRANGE", "0",
                 TEXT(MU_READ_INSTANCES_MAX), "WITHSCORES");
}

void mu_names_take_instances(struct mu_read *read, struct mu_names *names, const redisReply *reply,
                             const char *key) {
    mu_names_take(read, names, reply, true, key);
    if (names->count > MU_READ_INSTANCES_MAX) {
        mu_read_fail(read, MUSTER_TOO_LARGE, "there are more than %d instances",
                     MU_READ_INSTANCES_MAX);
    }
    mu_names_sort(names);
}
