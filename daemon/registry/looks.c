#include "registry/looks.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"

#define CURSOR_SIZE 24
#define STACK_MAX 65536 /* far above a page a level; a bound all the same */

struct item {
    char *kind;
    char *name;
    char cursor[CURSOR_SIZE];
};

struct suspect {
    char *key; /* "<code> <kind> <name>" */
    const struct mu_finding_info *info;
    const char *kind; /* into `words` */
    const char *name;
    char *words;
    uint64_t stamp;
    uint64_t since;
    uint64_t due;
    struct suspect *next; /* in the order of `due` */
    UT_hash_handle hh;
};

struct mu_looks {
    struct mu_looks_options options;
    struct item *stack; /* the last is the next */
    size_t depth;
    size_t capacity;
    struct suspect *suspects;
    struct suspect *first;
    struct suspect *last;
    struct suspect *asked; /* whom the question under way is about; NULL: an item */
    bool pending;
    uint64_t checked[MU_INVARIANTS + 1];
    uint64_t skipped;
    unsigned looked;
};

struct mu_looks *mu_looks_create(const struct mu_looks_options *options) {
    struct mu_looks *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    return self;
}

/* ---- the stack ---- */

static bool push(struct mu_looks *self, const char *kind, const char *name) {
    if (self->depth == STACK_MAX) {
        self->skipped++;
        return false;
    }
    if (self->depth == self->capacity) {
        self->capacity = self->capacity == 0 ? 64 : self->capacity * 2;
        self->stack = mu_realloc(self->stack, self->capacity * sizeof *self->stack);
    }
    self->stack[self->depth++] =
        (struct item){.kind = mu_strdup(kind), .name = mu_strdup(name), .cursor = "0"};
    return true;
}

static void drop(struct mu_looks *self, size_t index) {
    free(self->stack[index].kind);
    free(self->stack[index].name);
    self->depth--;
    memmove(&self->stack[index], &self->stack[index + 1],
            (self->depth - index) * sizeof *self->stack);
}

/* ---- suspects ---- */

static void append(struct mu_looks *self, struct suspect *suspect) {
    suspect->next = NULL;
    if (self->last != NULL) {
        self->last->next = suspect;
    } else {
        self->first = suspect;
    }
    self->last = suspect;
}

static struct suspect *take_first(struct mu_looks *self) {
    struct suspect *suspect = self->first;
    self->first = suspect->next;
    if (self->first == NULL) {
        self->last = NULL;
    }
    return suspect;
}

static void forget(struct mu_looks *self, struct suspect *suspect) {
    HASH_DEL(self->suspects, suspect);
    free(suspect->key);
    free(suspect->words);
    free(suspect);
}

static void suspect_it(struct mu_looks *self, uint64_t now, const struct mu_finding_info *info,
                       const char *kind, const char *name, uint64_t stamp) {
    struct suspect *suspect = NULL;
    size_t kind_size = strlen(kind) + 1;
    size_t size = strlen(info->code) + 1 + kind_size + strlen(name) + 1;
    char *key = mu_calloc(1, size);
    snprintf(key, size, "%s %s %s", info->code, kind, name);
    HASH_FIND_STR(self->suspects, key, suspect);
    if (suspect != NULL) {
        free(key);
        return;
    }
    suspect = mu_calloc(1, sizeof *suspect);
    suspect->key = key;
    suspect->info = info;
    suspect->words = mu_calloc(1, kind_size + strlen(name) + 1);
    memcpy(suspect->words, kind, kind_size);
    memcpy(suspect->words + kind_size, name, strlen(name) + 1);
    suspect->kind = suspect->words;
    suspect->name = suspect->words + kind_size;
    suspect->stamp = stamp;
    suspect->since = now;
    suspect->due = now + self->options.again_ms;
    HASH_ADD_KEYPTR(hh, self->suspects, suspect->key, strlen(suspect->key), suspect);
    append(self, suspect);
}

/* ---- a pass ---- */

static void clear(struct mu_looks *self) {
    while (self->depth > 0) {
        drop(self, self->depth - 1);
    }
    if (self->asked != NULL) {
        forget(self, self->asked);
        self->asked = NULL;
    }
    while (self->first != NULL) {
        forget(self, take_first(self));
    }
    self->pending = false;
}

void mu_looks_begin(struct mu_looks *self) {
    /* Last to first. */
    static const char *const kinds[] = {"keys",   "leaderless", "sessions",  "deadlines",
                                        "buried", "ghosts",     "instances", "global"};
    clear(self);
    memset(self->checked, 0, sizeof self->checked);
    self->skipped = 0;
    self->looked = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        push(self, kinds[i], "-");
    }
}

void mu_looks_destroy(struct mu_looks **looks) {
    if (*looks == NULL) {
        return;
    }
    clear(*looks);
    free((*looks)->stack);
    free(*looks);
    *looks = NULL;
}

enum mu_looks_step mu_looks_next(struct mu_looks *self, uint64_t now,
                                 struct mu_looks_question *question, uint64_t *wait_until) {
    bool full = HASH_COUNT(self->suspects) >= self->options.suspects_max;
    assert(!self->pending);
    if (self->first != NULL && now >= self->first->due) {
        self->asked = take_first(self);
        *question = (struct mu_looks_question){self->asked->kind, self->asked->name, "0"};
    } else if (self->depth > 0 && !full) {
        const struct item *item = &self->stack[self->depth - 1];
        *question = (struct mu_looks_question){item->kind, item->name, item->cursor};
    } else if (self->first != NULL) {
        *wait_until = self->first->due;
        return MU_LOOKS_WAIT;
    } else {
        return MU_LOOKS_DONE;
    }
    self->pending = true;
    return MU_LOOKS_ASK;
}

/* ---- answers ---- */

struct seen {
    struct mu_looks_finding finding;
    uint64_t stamp;
};

/* [code, kind, name, key, what, stamp] */
static bool read_finding(const json_t *value, struct seen *seen) {
    const char *texts[5];
    for (size_t i = 0; i < 5; i++) {
        texts[i] = json_string_value(json_array_get(value, i));
        if (texts[i] == NULL) {
            return false;
        }
    }
    seen->finding.info = mu_finding_info(texts[0]);
    seen->finding.kind = texts[1];
    seen->finding.name = texts[2];
    seen->finding.key = texts[3];
    seen->finding.what = texts[4];
    seen->stamp = (uint64_t)json_integer_value(json_array_get(value, 5));
    return seen->finding.info != NULL;
}

/* The suspect was looked at again. */
static void settle(struct mu_looks *self, uint64_t now, const json_t *findings) {
    struct suspect *suspect = self->asked;
    bool still = false;
    bool ripe = !suspect->info->waits || now >= suspect->since + self->options.patience_ms;
    size_t index = 0;
    json_t *value = NULL;
    self->asked = NULL;
    json_array_foreach(findings, index, value) {
        struct seen seen;
        if (!read_finding(value, &seen) || seen.finding.info != suspect->info ||
            strcmp(seen.finding.kind, suspect->kind) != 0 ||
            strcmp(seen.finding.name, suspect->name) != 0 ||
            (suspect->info->waits && seen.stamp != suspect->stamp)) {
            continue;
        }
        still = true;
        if (ripe) {
            self->options.on_finding(self->options.context, &seen.finding);
        }
    }
    if (still && !ripe) {
        suspect->due = now + self->options.again_ms;
        append(self, suspect);
    } else {
        forget(self, suspect);
    }
}

static bool take_rest(struct mu_looks *self, uint64_t now, const json_t *answer) {
    const json_t *checked = json_object_get(answer, "checked");
    size_t index = 0;
    json_t *value = NULL;
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        self->checked[i] += (uint64_t)json_integer_value(json_array_get(checked, (size_t)i - 1));
    }
    json_array_foreach(json_object_get(answer, "findings"), index, value) {
        struct seen seen;
        if (!read_finding(value, &seen)) {
            return false;
        }
        suspect_it(self, now, seen.finding.info, seen.finding.kind, seen.finding.name, seen.stamp);
    }
    json_array_foreach(json_object_get(answer, "rest"), index, value) {
        const char *kind = json_string_value(json_array_get(value, 0));
        const char *name = json_string_value(json_array_get(value, 1));
        if (kind == NULL || name == NULL) {
            return false;
        }
        push(self, kind, name);
    }
    return true;
}

/* The walk goes on, what is to be looked at besides comes first. */
static bool go_on(struct mu_looks *self, uint64_t now, const json_t *answer, const char *cursor) {
    size_t top = self->depth - 1;
    if (!take_rest(self, now, answer)) {
        self->skipped++;
        while (self->depth > top) {
            drop(self, self->depth - 1);
        }
        return false;
    }
    if (strcmp(cursor, "0") == 0) {
        drop(self, top);
    } else {
        snprintf(self->stack[top].cursor, CURSOR_SIZE, "%s", cursor);
    }
    return true;
}

bool mu_looks_take(struct mu_looks *self, uint64_t now, const char *json, size_t length) {
    json_t *answer = json_loadb(json, length, 0, NULL);
    const char *cursor = json_string_value(json_object_get(answer, "cursor"));
    const json_t *findings = json_object_get(answer, "findings");
    bool fits = cursor != NULL && strlen(cursor) < CURSOR_SIZE && json_is_array(findings);
    assert(self->pending);
    if (!fits) {
        mu_looks_skip(self);
    } else if (self->asked != NULL) {
        self->pending = false;
        settle(self, now, findings);
    } else {
        self->pending = false;
        self->looked = (unsigned)json_integer_value(json_object_get(answer, "looked"));
        fits = go_on(self, now, answer, cursor);
    }
    json_decref(answer);
    return fits;
}

void mu_looks_skip(struct mu_looks *self) {
    self->skipped++;
    mu_looks_leave(self);
}

void mu_looks_leave(struct mu_looks *self) {
    assert(self->pending);
    self->pending = false;
    if (self->asked != NULL) {
        forget(self, self->asked);
        self->asked = NULL;
    } else {
        drop(self, self->depth - 1);
    }
}

void mu_looks_put_back(struct mu_looks *self) {
    assert(self->pending);
    self->pending = false;
    if (self->asked != NULL) {
        self->asked->next = self->first;
        self->first = self->asked;
        self->last = self->last == NULL ? self->asked : self->last;
        self->asked = NULL;
    }
}

uint64_t mu_looks_checked(const struct mu_looks *self, int invariant) {
    return self->checked[invariant];
}

void mu_looks_count(struct mu_looks *self, int invariant, uint64_t number) {
    self->checked[invariant] += number;
}

uint64_t mu_looks_skipped(const struct mu_looks *self) {
    return self->skipped;
}

unsigned mu_looks_looked(const struct mu_looks *self) {
    return self->looked;
}
