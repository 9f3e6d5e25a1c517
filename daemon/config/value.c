#include "config/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/text.h"
#include "config/tree.h"
#include "config/units.h"

static void *field(const struct mu_config *config, size_t offset) {
    /* One accessor for reading and writing: the callers' own const decides. */
    return (char *)(uintptr_t)config + offset;
}

enum muster_status mu_value_refuse(const struct mu_config_key *key, struct mu_error *error,
                                   const char *wrong, ...) {
    char text[512];
    struct mu_buffer allowed;
    va_list arguments;
    enum muster_status status;

    va_start(arguments, wrong);
    vsnprintf(text, sizeof text, wrong, arguments);
    va_end(arguments);
    mu_buffer_init(&allowed, 0);
    if (mu_value_allowed(key, &allowed)) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST, "%s; allowed is %s", text, allowed.data);
    } else {
        status = mu_error_set(error, MUSTER_BAD_REQUEST, "%s", text);
    }
    mu_buffer_deinit(&allowed);
    return status;
}

static void replace(char **at, const char *text) {
    char *copy = mu_strdup(text);

    free(*at);
    *at = copy;
}

static enum muster_status read_text(struct mu_config *config, const struct mu_config_key *key,
                                    const char *text, struct mu_error *error) {
    size_t length = strlen(text);

    if (length < key->least) {
        return mu_value_refuse(key, error, "is empty");
    }
    if (length > key->most) {
        return mu_value_refuse(key, error, "is %zu bytes long", length);
    }
    replace(field(config, key->offset), text);
    return MUSTER_OK;
}

static enum muster_status read_word(struct mu_config *config, const struct mu_config_key *key,
                                    const char *text, struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];

    for (int i = 0; key->words[i] != NULL; i++) {
        if (strcmp(key->words[i], text) != 0) {
            continue;
        }
        if (key->type == MU_TYPE_WORD) {
            replace(field(config, key->offset), text);
        } else {
            memcpy(field(config, key->offset), &i, sizeof i);
        }
        return MUSTER_OK;
    }
    return mu_value_refuse(key, error, "'%s' is not known",
                           mu_text_show(shown, text, strlen(text)));
}

static enum muster_status read_number(struct mu_config *config, const struct mu_config_key *key,
                                      const char *text, struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];
    uint64_t value = 0;

    mu_text_show(shown, text, strlen(text));
    switch (mu_units_read(key->type, text, &value)) {
    case MU_UNITS_LEADING_ZERO:
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "'%s' begins with a zero, as octal numbers do; write '%s'", shown,
                            mu_units_without_zeros(shown));
    case MU_UNITS_NO_UNIT:
        return mu_value_refuse(key, error, "'%s' has no unit", shown);
    case MU_UNITS_MALFORMED:
        return mu_value_refuse(key, error, "'%s' is not %s", shown, mu_units_noun(key->type));
    case MU_UNITS_OVERFLOW:
        return mu_value_refuse(key, error, "'%s' is too large", shown);
    case MU_UNITS_OK:
        break;
    }
    if (value < key->least || value > key->most) {
        return mu_value_refuse(key, error, "'%s' is too %s", shown,
                               value < key->least ? "small" : "large");
    }
    memcpy(field(config, key->offset), &value, sizeof value);
    return MUSTER_OK;
}

enum muster_status mu_value_read(struct mu_config *config, const struct mu_config_key *key,
                                 const char *text, struct mu_error *error) {
    switch (key->type) {
    case MU_TYPE_TEXT:
        return read_text(config, key, text, error);
    case MU_TYPE_WORD:
    case MU_TYPE_ENUM:
        return read_word(config, key, text, error);
    case MU_TYPE_INTEGER:
    case MU_TYPE_SIZE:
    case MU_TYPE_DURATION:
    case MU_TYPE_FRACTION:
        return read_number(config, key, text, error);
    case MU_TYPE_LIST:
    case MU_TYPE_TREE:
        break;
    }
    return mu_value_refuse(key, error, "is not a list");
}

void mu_value_clear(struct mu_config *config, const struct mu_config_key *key) {
    char ***items;
    size_t *count;
    char **text;

    if (key->type == MU_TYPE_TREE) {
        mu_tree_destroy(field(config, key->offset));
    } else if (key->type == MU_TYPE_LIST) {
        items = field(config, key->offset);
        count = field(config, key->count_offset);
        for (size_t i = 0; i < *count; i++) {
            free((*items)[i]);
        }
        free(*items);
        *items = NULL;
        *count = 0;
    } else if (key->type == MU_TYPE_TEXT || key->type == MU_TYPE_WORD) {
        text = field(config, key->offset);
        if (*text != NULL && key->secret) {
            explicit_bzero(*text, strlen(*text));
        }
        free(*text);
        *text = NULL;
    }
}

void mu_value_set_list(struct mu_config *config, const struct mu_config_key *key, char **items,
                       size_t count) {
    char ***items_at = field(config, key->offset);
    size_t *count_at = field(config, key->count_offset);

    mu_value_clear(config, key);
    *items_at = items;
    *count_at = count;
}

void mu_value_set_tree(struct mu_config *config, const struct mu_config_key *key,
                       struct muster_config *tree) {
    struct muster_config **at = field(config, key->offset);

    mu_value_clear(config, key);
    *at = tree;
}

/* Always in double quotes, so that no text is taken for something else; `$` doubled, because
 * reading will expand it. */
static bool print_text(struct mu_buffer *out, const char *text, size_t length) {
    struct mu_buffer doubled;
    bool done = true;

    mu_buffer_init(&doubled, 0);
    for (size_t i = 0; done && i < length; i++) {
        done = mu_buffer_append(&doubled, text[i] == '$' ? "$$" : text + i, text[i] == '$' ? 2 : 1);
    }
    done = done &&
           mu_buffer_append_json(out, doubled.data != NULL ? doubled.data : "", doubled.length);
    mu_buffer_deinit(&doubled);
    return done;
}

/* `scheme://user:password@rest` keeps all but the password. A password with a raw `/` or `@` in
 * it must not show either, so the userinfo reaches to the last `@`; what is no URL shows not at
 * all. */
static bool print_secret(struct mu_buffer *out, const char *key, const char *text) {
    /* Any other secret may look like a URL. */
    const char *user = strcmp(key, "redis.url") == 0 ? strstr(text, "://") : NULL;
    const char *at = strrchr(text, '@');
    const char *colon;
    struct mu_buffer masked;
    bool done;

    if (user == NULL) {
        return mu_buffer_append_text(out, text[0] == '\0' ? "\"\"" : "\"***\"");
    }
    user += 3;
    colon = at != NULL && at > user ? memchr(user, ':', (size_t)(at - user)) : NULL;
    if (colon == NULL) {
        return print_text(out, text, strlen(text));
    }
    mu_buffer_init(&masked, 0);
    done = mu_buffer_printf(&masked, "%.*s:***%s", (int)(colon - text), text, at) &&
           print_text(out, masked.data, masked.length);
    mu_buffer_deinit(&masked);
    return done;
}

static bool print_list(struct mu_buffer *out, char *const *items, size_t count) {
    bool done = mu_buffer_append_text(out, "[");

    for (size_t i = 0; done && i < count; i++) {
        done = mu_buffer_append_text(out, i == 0 ? "" : ", ") &&
               print_text(out, items[i], strlen(items[i]));
    }
    return done && mu_buffer_append_text(out, "]");
}

bool mu_value_print(const struct mu_config *config, const struct mu_config_key *key,
                    struct mu_buffer *out) {
    const void *at = field(config, key->offset);
    const char *text;
    uint64_t number;
    size_t count;
    char **items;
    int index;
    const struct muster_config *tree;

    switch (key->type) {
    case MU_TYPE_TEXT:
        memcpy(&text, at, sizeof text);
        return key->secret ? print_secret(out, key->name, text)
                           : print_text(out, text, strlen(text));
    case MU_TYPE_WORD:
        memcpy(&text, at, sizeof text);
        return mu_buffer_append_text(out, text);
    case MU_TYPE_ENUM:
        memcpy(&index, at, sizeof index);
        return mu_buffer_append_text(out, key->words[index]);
    case MU_TYPE_LIST:
        memcpy(&items, at, sizeof items);
        memcpy(&count, field(config, key->count_offset), sizeof count);
        return print_list(out, items, count);
    case MU_TYPE_TREE:
        memcpy(&tree, at, sizeof tree);
        return tree != NULL ? mu_tree_print(tree, out) : mu_buffer_append_text(out, "[]");
    case MU_TYPE_INTEGER:
    case MU_TYPE_SIZE:
    case MU_TYPE_DURATION:
    case MU_TYPE_FRACTION:
        break;
    }
    memcpy(&number, at, sizeof number);
    return mu_units_print(key->type, number, out);
}

bool mu_value_print_duration(struct mu_buffer *out, uint64_t ms) {
    return mu_units_print(MU_TYPE_DURATION, ms, out);
}

static bool allowed_words(const struct mu_config_key *key, struct mu_buffer *out) {
    for (size_t i = 0; key->words[i] != NULL; i++) {
        const char *glue = i == 0 ? "" : key->words[i + 1] == NULL ? " or " : ", ";

        if (!mu_buffer_printf(out, "%s%s", glue, key->words[i])) {
            return false;
        }
    }
    return true;
}

bool mu_value_allowed(const struct mu_config_key *key, struct mu_buffer *out) {
    const char *example = "";

    switch (key->type) {
    case MU_TYPE_TEXT:
        if (key->least > 0) {
            return mu_buffer_printf(out, "text of %llu to %llu bytes",
                                    (unsigned long long)key->least, (unsigned long long)key->most);
        }
        return mu_buffer_printf(out, "text of at most %llu bytes", (unsigned long long)key->most);
    case MU_TYPE_WORD:
    case MU_TYPE_ENUM:
        return allowed_words(key, out);
    case MU_TYPE_LIST:
        return mu_buffer_printf(out, "a list of at most %llu texts, such as [a, b]",
                                (unsigned long long)key->most);
    case MU_TYPE_TREE:
        return mu_buffer_append_text(out, "a list of plugins, such as [{name: a, config: {}}]");
    case MU_TYPE_INTEGER:
        break;
    case MU_TYPE_SIZE:
        example = ", such as 512, 4KiB or 1MiB";
        break;
    case MU_TYPE_FRACTION:
        example = ", such as 0.5";
        break;
    case MU_TYPE_DURATION:
        example = ", such as 250ms, 3s, 5m, 2h or 1d";
        break;
    }
    return mu_buffer_printf(out, "%s from ", mu_units_noun(key->type)) &&
           mu_units_print(key->type, key->least, out) && mu_buffer_append_text(out, " to ") &&
           mu_units_print(key->type, key->most, out) && mu_buffer_append_text(out, example);
}
