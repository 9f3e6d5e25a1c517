#include "fsck/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"

#define CHUNK (1u << 20)

void mu_names_init(struct mu_names *names) {
    memset(names, 0, sizeof *names);
}

void mu_names_deinit(struct mu_names *names) {
    for (size_t i = 0; i < names->chunk_count; i++) {
        free(names->chunks[i]);
    }
    free(names->chunks);
    free(names->texts);
    free(names->slots);
    mu_names_init(names);
}

const char *mu_names_text(const struct mu_names *names, uint32_t number) {
    return names->texts[number];
}

size_t mu_names_length(const struct mu_names *names, uint32_t number) {
    uint32_t length = 0;
    memcpy(&length, names->texts[number] - sizeof length, sizeof length);
    return length;
}

/* The slot where the text stands, or the free one where it belongs. */
static uint32_t *slot_of(const struct mu_names *names, const char *text, size_t length) {
    uint32_t mask = names->slot_count - 1;
    uint32_t at = mu_table_hash(text, length) & mask;
    while (names->slots[at] != 0) {
        uint32_t number = names->slots[at] - 1;
        if (mu_names_length(names, number) == length &&
            memcmp(names->texts[number], text, length) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &names->slots[at];
}

static void grow_slots(struct mu_names *names) {
    free(names->slots);
    names->slot_count = names->slot_count == 0 ? 1024 : names->slot_count * 2;
    names->slots = mu_calloc(names->slot_count, sizeof *names->slots);
    for (uint32_t i = 0; i < names->count; i++) {
        *slot_of(names, names->texts[i], mu_names_length(names, i)) = i + 1;
    }
}

static char *store(struct mu_names *names, const char *text, size_t length) {
    uint32_t head = (uint32_t)length;
    size_t size = sizeof head + length + 1;
    if (names->chunk_left < size) {
        names->chunk_left = size > CHUNK ? size : CHUNK;
        names->chunks = mu_realloc(names->chunks, (names->chunk_count + 1) * sizeof *names->chunks);
        names->place = mu_calloc(1, names->chunk_left);
        names->chunks[names->chunk_count++] = names->place;
    }
    char *at = names->place;
    names->place += size;
    names->chunk_left -= size;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, text, length);
    at[sizeof head + length] = '\0';
    return at + sizeof head;
}

uint32_t mu_names_put(struct mu_names *names, const char *text, size_t length) {
    if (names->count >= names->slot_count / 2) {
        grow_slots(names);
    }
    uint32_t *slot = slot_of(names, text, length);
    if (*slot != 0) {
        return *slot - 1;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 256 : names->capacity * 2;
        names->texts = mu_realloc(names->texts, names->capacity * sizeof *names->texts);
    }
    names->texts[names->count] = store(names, text, length);
    *slot = ++names->count;
    return names->count - 1;
}

uint32_t mu_names_find(const struct mu_names *names, const char *text, size_t length) {
    if (names->slot_count == 0) {
        return MU_NAME_NONE;
    }
    uint32_t slot = *slot_of(names, text, length);
    return slot == 0 ? MU_NAME_NONE : slot - 1;
}
