/* journal.c - the journal from its newest entry to its oldest, and what of it concerns one thing.
 *
 * It is read twice: once for the thing, once for the instances behind what was found. Ways to fail:
 * the key is of another type, or may not be read: the story says so and goes on without.
 */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "explain/explain.h"

#define PAGE 500

/* Of a stream's id, "<ms>-<n>". */
static int64_t time_of_id(const redisReply *id) {
    return strtoll(mu_reply_text(id), NULL, 10);
}

json_t *mu_explain_fact(const json_t *entry, const char *list) {
    json_t *fact = json_copy((json_t *)(uintptr_t)entry); /* which is only read */
    json_object_del(fact, list);
    return fact;
}

/* One page, the newest first: `each` gets every entry that can be read and holds `word`. Returns
 * the number of entries; *error is set when there was an error reply. */
static size_t read_page(struct mu_ctl *ctl, char last[48], const char *word,
                        void (*each)(void *context, const json_t *entry), void *context,
                        json_t **error) {
    redisReply *page =
        mu_ask(ctl, "XREVRANGE {%s}:journal %s - COUNT %d", ctl->name_space, last, PAGE);
    size_t count = mu_reply_count(page);
    if (page != NULL && page->type == REDIS_REPLY_ERROR) {
        *error = json_string(page->str);
    }
    for (size_t i = 0; i < count; i++) {
        const redisReply *item = mu_reply_at(page, i);
        const redisReply *text = mu_reply_at(mu_reply_at(item, 1), 1);
        snprintf(last, 48, "(%s", mu_reply_text(mu_reply_at(item, 0)));
        if (!mu_reply_is_text(text) || strstr(text->str, word) == NULL) {
            continue;
        }
        json_t *entry = json_loadb(text->str, (size_t)text->len, 0, NULL);
        if (json_is_object(entry)) {
            each(context, entry);
        }
        json_decref(entry);
    }
    freeReplyObject(page);
    return count;
}

/* NULL, or what Redis objected to. */
static json_t *read_all(struct mu_ctl *ctl, const char *word,
                        void (*each)(void *context, const json_t *entry), void *context) {
    char last[48] = "+";
    json_t *error = NULL;
    while (!ctl->lost && read_page(ctl, last, word, each, context, &error) == PAGE) {
    }
    return error;
}

/* ---- what concerns the thing ---- */

struct search {
    const struct mu_explain *explain;
    mu_explain_select select;
    json_t *facts; /* the newest first */
    size_t omitted;
};

static bool is_old(const struct search *search, const json_t *fact) {
    return strcmp(mu_explain_text(fact, "old"), search->explain->name) == 0;
}

/* Beyond the limit the newest of each kind stays: the verdict may need it. */
static bool is_of_a_new_kind(const struct search *search, const json_t *fact) {
    size_t i;
    json_t *known;
    json_array_foreach(search->facts, i, known) {
        if (strcmp(mu_explain_text(known, "event"), mu_explain_text(fact, "event")) == 0 &&
            strcmp(mu_explain_text(known, "reason"), mu_explain_text(fact, "reason")) == 0 &&
            is_old(search, known) == is_old(search, fact)) {
            return false;
        }
    }
    return true;
}

static void search_entry(void *context, const json_t *entry) {
    struct search *search = context;
    json_t *found = json_array();
    search->select(search->explain->name, entry, found);
    for (size_t i = json_array_size(found); i > 0; i--) {
        json_t *fact = json_array_get(found, i - 1);
        if (json_array_size(search->facts) < search->explain->limit ||
            is_of_a_new_kind(search, fact)) {
            json_array_append(search->facts, fact);
        } else {
            search->omitted++;
        }
    }
    json_decref(found);
}

/* ---- the instances behind it ---- */

static bool is_behind(const json_t *fact, const json_t *entry, const char *owner) {
    const char *instance = mu_explain_text(entry, "instance");
    size_t length = strlen(instance);
    return length > 0 && strncmp(owner, instance, length) == 0 && owner[length] == ':' &&
           strcmp(owner + length + 1, mu_explain_text(entry, "incarnation")) == 0 &&
           mu_explain_number(entry, "at") <= mu_explain_number(fact, "at");
}

/* Does this event of its instance say why? The entries come newest first: of a kind only the last
 * one before the fact counts. */
static bool says_why(const json_t *fact, const char *event) {
    const char *reason = mu_explain_text(fact, "reason");
    bool resumed = strcmp(mu_explain_text(fact, "event"), "connection.resumed") == 0;
    if (strcmp(reason, "draining") == 0) {
        return strcmp(event, "instance.draining") == 0;
    }
    bool suspect = strcmp(event, "instance.suspect") == 0;
    bool ended = strcmp(event, "instance.dead") == 0 || strcmp(event, "instance.stopped") == 0;
    if (strcmp(reason, "instance-suspect") == 0) {
        return suspect;
    }
    if (strcmp(reason, "instance-dead") == 0) {
        return suspect || ended;
    }
    return ended &&
           (resumed || strcmp(reason, "superseded") == 0 || strncmp(reason, "instance-", 9) == 0);
}

static bool is_there(const json_t *because, const char *event) {
    size_t i;
    json_t *known;
    json_array_foreach(because, i, known) {
        if (strcmp(mu_explain_text(known, "event"), event) == 0) {
            return true;
        }
    }
    return false;
}

static void find_reasons(void *context, const json_t *entry) {
    const json_t *facts = context;
    const char *event = mu_explain_text(entry, "event");
    size_t i;
    json_t *fact;
    if (strncmp(event, "instance.", 9) != 0) {
        return;
    }
    json_array_foreach(facts, i, fact) {
        const char *old = mu_explain_text(fact, "old_owner");
        const char *owner = old[0] != '\0' ? old : mu_explain_text(fact, "owner");
        if (!is_behind(fact, entry, owner) || !says_why(fact, event)) {
            continue;
        }
        json_t *because = json_object_get(fact, "because");
        if (because == NULL) {
            because = json_array();
            json_object_set_new(fact, "because", because);
        }
        if (!is_there(because, event)) {
            json_array_insert(because, 0, (json_t *)(uintptr_t)entry);
        }
    }
}

static json_t *extent(struct mu_ctl *ctl, json_t *error) {
    redisReply *length = mu_ask(ctl, "XLEN {%s}:journal", ctl->name_space);
    redisReply *first = mu_ask(ctl, "XRANGE {%s}:journal - + COUNT 1", ctl->name_space);
    const redisReply *id = mu_reply_at(mu_reply_at(first, 0), 0);
    json_t *journal = json_object();
    json_object_set_new(journal, "entries", json_integer(mu_reply_number(length, 0)));
    json_object_set_new(journal, "from", id != NULL ? json_integer(time_of_id(id)) : json_null());
    json_object_set_new(journal, "error", error != NULL ? error : json_null());
    freeReplyObject(length);
    freeReplyObject(first);
    return journal;
}

void mu_explain_history(struct mu_explain *explain, mu_explain_select select) {
    struct search search = {.explain = explain, .select = select, .facts = json_array()};
    json_t *history = json_array();
    json_t *error = read_all(explain->ctl, explain->name, search_entry, &search);
    if (json_array_size(search.facts) > 0) {
        json_decref(read_all(explain->ctl, "\"instance.", find_reasons, search.facts));
    }
    for (size_t i = json_array_size(search.facts); i > 0; i--) {
        json_array_append(history, json_array_get(search.facts, i - 1));
    }
    json_decref(search.facts);
    json_object_set_new(explain->story, "history", history);
    json_object_set_new(explain->story, "omitted", json_integer((json_int_t)search.omitted));
    json_object_set_new(explain->story, "journal", extent(explain->ctl, error));
}
