#include "registry/read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/read_internal.h"

#define WORDS_MAX 16
#define NUMBER_MAX (UINT64_C(1) << 53)

/* What a reply comes back to. */
struct slot {
    struct mu_read *read;
    char key[];
};

/* ---- life ---- */

struct mu_read *mu_read_create(size_t count, const struct muster_text *arguments) {
    struct mu_read *self = mu_calloc(1, sizeof *self);
    self->count = count;
    self->arguments = mu_calloc(count + 1, sizeof *self->arguments);
    for (size_t i = 0; i < count; i++) {
        self->arguments[i].data = mu_strndup(arguments[i].data, arguments[i].length);
        self->arguments[i].length = arguments[i].length;
    }
    mu_buffer_init(&self->out, MU_READ_OUT_MAX);
    return self;
}

void mu_read_destroy(struct mu_read *self) {
    for (size_t i = 0; i < self->count; i++) {
        free((char *)(uintptr_t)self->arguments[i].data);
    }
    free(self->arguments);
    mu_buffer_deinit(&self->out);
    if (self->free_state) {
        self->free_state(self->state);
    } else {
        free(self->state);
    }
    free(self);
}

static void finish(struct mu_read *self) {
    struct mu_gate *gate = self->inside ? self->gate : NULL;
    size_t fields = self->fields;
    if (!self->abandoned) {
        struct mu_answer answer = {.status = self->error.status};
        if (answer.status == MUSTER_OK) {
            answer.json = self->out.data;
            answer.length = self->out.length;
        } else {
            answer.message = self->error.text;
        }
        self->callback(self->context, &answer);
    }
    mu_read_destroy(self);
    if (gate) {
        mu_gate_leave(gate, fields);
    }
}

void mu_read_settle(struct mu_read *self) {
    if (self->pending == 0 && !self->waiting) {
        finish(self);
    }
}

/* ---- replies ---- */

static void take(struct mu_read *self, const char *key, enum muster_status status,
                 const redisReply *reply, const struct mu_error *error) {
    if (mu_read_failed(self)) {
        return;
    }
    if (status != MUSTER_OK) {
        mu_read_fail(self, status, "%s", error->text);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        struct mu_answer answer;
        mu_answer_read(reply, &answer);
        mu_read_fail(self, answer.status, "%s cannot be read: %s", key, answer.message);
    } else if (self->step) {
        self->step(self, reply, key);
    }
}

static void on_reply(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct slot *slot = context;
    struct mu_read *self = slot->read;
    take(self, slot->key, status, reply, error);
    free(slot);
    self->index++;
    self->pending--;
    if (self->pending > 0) {
        return;
    }
    if (!mu_read_failed(self)) {
        self->index = 0;
        self->done(self);
    }
    mu_read_settle(self);
}

void mu_read_send_words(struct mu_read *self, const char *key, const char *const words[]) {
    if (mu_read_failed(self)) {
        return;
    }
    const char *all[WORDS_MAX] = {words[0], key};
    size_t count = 2;
    for (const char *const *word = words + 1; *word; word++) {
        if (count == WORDS_MAX) {
            abort();
        }
        all[count++] = *word;
    }
    size_t size = strlen(key) + 1;
    struct slot *slot = mu_calloc(1, sizeof *slot + size);
    slot->read = self;
    memcpy(slot->key, key, size);
    enum muster_status status = mu_link_command(self->link, count, all, NULL, on_reply, slot);
    if (status == MUSTER_OK) {
        self->pending++;
    } else {
        free(slot);
        mu_read_fail(self, status, "%s", muster_status_meaning(status));
    }
}

/* ---- faults ---- */

bool mu_read_failed(const struct mu_read *self) {
    return self->error.status != MUSTER_OK;
}

void mu_read_fail(struct mu_read *self, enum muster_status status, const char *format, ...) {
    if (mu_read_failed(self)) {
        return;
    }
    char text[MU_ERROR_TEXT];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    mu_error_set(&self->error, status, "%s", text);
}

void mu_read_damaged(struct mu_read *self, const char *key, const char *what) {
    mu_read_fail(self, MUSTER_INTERNAL, "%s %s (run musterctl fsck)", key, what);
}

/* ---- the answer ---- */

static void check_room(struct mu_read *self, bool fits) {
    if (!fits) {
        mu_read_fail(self, MUSTER_TOO_LARGE, "the answer would exceed %zu MiB; ask for less",
                     MU_READ_OUT_MAX >> 20);
    }
}

void mu_read_room(struct mu_read *self, size_t more) {
    check_room(self, mu_buffer_reserve(&self->out, more));
}

void mu_read_put(struct mu_read *self, const char *data, size_t length) {
    check_room(self, mu_buffer_append(&self->out, data, length));
}

void mu_read_printf(struct mu_read *self, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (length < 0 || (size_t)length >= sizeof text) {
        abort(); /* ids and numbers only */
    }
    mu_read_put(self, text, (size_t)length);
}

void mu_read_put_id(struct mu_read *self, const redisReply *id, const char *key) {
    if (!id || id->type == REDIS_REPLY_NIL || id->len == 0) {
        mu_read_put(self, "null", 4);
    } else if (!mu_read_text(id) || !mu_id_valid(id->str, (size_t)id->len)) {
        mu_read_damaged(self, key, "holds something that is no id");
    } else {
        mu_read_printf(self, "\"%s\"", id->str);
    }
}

void mu_read_put_object(struct mu_read *self, const redisReply *object, const char *key) {
    if (!object || object->type == REDIS_REPLY_NIL) {
        mu_read_put(self, "{}", 2);
    } else if (!mu_read_text(object) || !mu_object_is_closed(object->str, (size_t)object->len)) {
        mu_read_damaged(self, key, "holds something that is no JSON object");
    } else {
        mu_read_put(self, object->str, (size_t)object->len);
    }
}

/* ---- taking apart ---- */

const redisReply *mu_read_at(const redisReply *reply, size_t index) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || index >= (size_t)reply->elements) {
        return NULL;
    }
    const redisReply *element = reply->element[index];
    return element->type == REDIS_REPLY_NIL ? NULL : element;
}

bool mu_read_is(const redisReply *reply, const char *text) {
    const char *own = mu_read_text(reply);
    return own && (size_t)reply->len == strlen(text) && memcmp(own, text, (size_t)reply->len) == 0;
}

uint64_t mu_read_number(struct mu_read *self, const redisReply *reply, const char *key,
                        uint64_t otherwise) {
    uint64_t value = otherwise;
    if (!reply || reply->type == REDIS_REPLY_NIL) {
        return otherwise;
    }
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        return (uint64_t)reply->integer;
    }
    if (!mu_read_text(reply) || !mu_whole_number(reply->str, (size_t)reply->len, &value) ||
        value >= NUMBER_MAX) {
        mu_read_damaged(self, key, "holds something that is no whole number");
        return otherwise;
    }
    return value;
}

/* ---- the generation ---- */

void mu_generation_ask(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    mu_read_send(self, mu_read_key(self, key, "config"), "HGET", "generation");
}

void mu_generation_take(struct mu_read *self, struct mu_generation *generation,
                        const redisReply *reply, const char *key) {
    const char *text = mu_read_text(reply);
    if (text && mu_id_valid(text, (size_t)reply->len)) {
        memcpy(generation->id, text, (size_t)reply->len + 1);
    } else if (text) {
        mu_read_damaged(self, key, "holds a generation that is no id");
    }
}

bool mu_generation_is(const struct mu_generation *generation, const redisReply *gen) {
    return generation->id[0] != '\0' && mu_read_is(gen, generation->id);
}

/* ---- pages ---- */

bool mu_read_page(struct mu_read *self, size_t first, struct mu_page *page) {
    *page = (struct mu_page){.cursor = "0", .count = MU_READ_PAGE};
    if (self->count > first) {
        const struct muster_text *cursor = &self->arguments[first];
        size_t digits = strspn(cursor->data, "0123456789");
        if (digits == 0 || digits != cursor->length || digits > 20) {
            mu_read_fail(self, MUSTER_BAD_REQUEST,
                         "cursor must be 0 or what the page before answered");
            return false;
        }
        page->asked = true;
        memcpy(page->cursor, cursor->data, digits + 1);
    }
    if (self->count > first + 1) {
        const struct muster_text *count = &self->arguments[first + 1];
        if (!mu_whole_number(count->data, count->length, &page->count) || page->count < 1 ||
            page->count > MU_READ_SNAPSHOT_MAX) {
            mu_read_fail(self, MUSTER_BAD_REQUEST, "count must be a whole number from 1 to %d",
                         MU_READ_SNAPSHOT_MAX);
            return false;
        }
    }
    return true;
}
