/* adopt.c - what of a new configuration counts at once, and what waits for a restart: as the table
 * of keys says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/tree.h"
#include "config/value.h"

static bool same_texts(const struct mu_config *a, const struct mu_config *b,
                       const struct mu_config_key *key) {
    char **left;
    char **right;
    size_t left_count;
    size_t right_count;
    memcpy(&left, (const char *)a + key->offset, sizeof left);
    memcpy(&right, (const char *)b + key->offset, sizeof right);
    memcpy(&left_count, (const char *)a + key->count_offset, sizeof left_count);
    memcpy(&right_count, (const char *)b + key->count_offset, sizeof right_count);
    bool same = left_count == right_count;
    for (size_t i = 0; same && i < left_count; i++) {
        same = strcmp(left[i], right[i]) == 0;
    }
    return same;
}

static bool same_print(const struct mu_config *a, const struct mu_config *b,
                       const struct mu_config_key *key) {
    struct mu_buffer left;
    struct mu_buffer right;
    mu_buffer_init(&left, 0);
    mu_buffer_init(&right, 0);
    if (!mu_value_print(a, key, &left) || !mu_value_print(b, key, &right)) {
        abort(); /* out of memory, as in alloc.c */
    }
    bool same = strcmp(left.data, right.data) == 0;
    mu_buffer_deinit(&left);
    mu_buffer_deinit(&right);
    return same;
}

/* Printing masks a secret, so texts are compared as they are. */
static bool same(const struct mu_config *a, const struct mu_config *b,
                 const struct mu_config_key *key) {
    const char *left;
    const char *right;
    switch (key->type) {
    case MU_TYPE_TEXT:
    case MU_TYPE_WORD:
        memcpy(&left, (const char *)a + key->offset, sizeof left);
        memcpy(&right, (const char *)b + key->offset, sizeof right);
        return strcmp(left, right) == 0;
    case MU_TYPE_LIST:
        return same_texts(a, b, key);
    default:
        return same_print(a, b, key);
    }
}

/* coordinator.id is drawn anew with each reading of the configuration. */
static bool both_made_up(const struct mu_config *a, const struct mu_config *b,
                         const struct mu_config_key *key) {
    return key->offset == offsetof(struct mu_config, coordinator.id) &&
           strcmp(a->coordinator.id, a->coordinator.made_up) == 0 &&
           strcmp(b->coordinator.id, b->coordinator.made_up) == 0;
}

static void copy(struct mu_config *to, const struct mu_config *from,
                 const struct mu_config_key *key) {
    assert(key->type != MU_TYPE_TEXT && key->type != MU_TYPE_WORD && key->type != MU_TYPE_LIST &&
           key->type != MU_TYPE_TREE);
    size_t size = key->type == MU_TYPE_ENUM ? sizeof(int) : sizeof(uint64_t);
    memcpy((char *)to + key->offset, (const char *)from + key->offset, size);
}

static void tell(const struct mu_config *fresh, const struct mu_config_key *key, bool applied,
                 void (*each)(void *context, const struct mu_config_change *change),
                 void *context) {
    struct mu_buffer value;
    mu_buffer_init(&value, 0);
    if (!mu_value_print(fresh, key, &value)) {
        abort(); /* out of memory, as in alloc.c */
    }
    each(context,
         &(struct mu_config_change){
             .key = key->name, .applied = applied, .secret = key->secret, .value = value.data});
    mu_buffer_deinit(&value);
}

void mu_config_adopt(struct mu_config *config, const struct mu_config *fresh,
                     void (*each)(void *context, const struct mu_config_change *change),
                     void *context) {
    for (size_t i = 0; i < mu_config_key_count; i++) {
        const struct mu_config_key *key = &mu_config_keys[i];
        if (key->reload == MU_RELOAD_PLUGINS || same(config, fresh, key) ||
            both_made_up(config, fresh, key)) {
            continue;
        }
        if (key->reload == MU_RELOAD_LIVE) {
            copy(config, fresh, key);
            free(config->origins[i]);
            config->origins[i] = fresh->origins[i] != NULL ? mu_strdup(fresh->origins[i]) : NULL;
        }
        tell(fresh, key, key->reload == MU_RELOAD_LIVE, each, context);
    }
}
