#include "plugin/schema.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/text.h"
#include "config/units.h"

#define SECRET_MAX_BYTES (64u * 1024u)
#define DEFAULT_PLACE "default"

/* One key under examination. */
struct look {
    const struct mu_schema *schema;
    const struct muster_config_key *key;
    const char *place;
    const char *directory;
    struct mu_error *error;
};

/* ---- numbers ---- */

static bool is_number(enum muster_config_type type) {
    return type == MUSTER_CONFIG_INTEGER || type == MUSTER_CONFIG_SIZE ||
           type == MUSTER_CONFIG_DURATION;
}

static enum mu_config_type unit_of(enum muster_config_type type) {
    return type == MUSTER_CONFIG_SIZE       ? MU_TYPE_SIZE
           : type == MUSTER_CONFIG_DURATION ? MU_TYPE_DURATION
                                            : MU_TYPE_INTEGER;
}

bool mu_schema_number(enum muster_config_type type, const char *text, uint64_t *number) {
    if (type == MUSTER_CONFIG_BOOLEAN) {
        bool yes = strcmp(text, "true") == 0;
        *number = yes ? 1 : 0;
        return yes || strcmp(text, "false") == 0;
    }
    return is_number(type) && mu_units_read(unit_of(type), text, number) == MU_UNITS_OK;
}

/* ---- sentences ---- */

/* What the key allows: "a duration from 1s to 5m", "a list of at most 8 texts". */
static bool append_allowed(const struct muster_config_key *key, struct mu_buffer *out) {
    unsigned long long least = key->least;
    unsigned long long most = key->most;
    switch (key->type) {
    case MUSTER_CONFIG_TEXT:
    case MUSTER_CONFIG_SECRET:
        return most > 0 ? mu_buffer_printf(out, "text of %llu to %llu bytes", least, most)
                        : mu_buffer_append_text(out, "text");
    case MUSTER_CONFIG_BOOLEAN:
        return mu_buffer_append_text(out, "true or false");
    case MUSTER_CONFIG_LIST:
        return most > 0 ? mu_buffer_printf(out, "a list of %llu to %llu texts", least, most)
                        : mu_buffer_append_text(out, "a list of texts");
    case MUSTER_CONFIG_TREE:
        return mu_buffer_append_text(out, "a list or a mapping");
    case MUSTER_CONFIG_INTEGER:
    case MUSTER_CONFIG_SIZE:
    case MUSTER_CONFIG_DURATION:
        break;
    }
    enum mu_config_type unit = unit_of(key->type);
    bool done = mu_buffer_append_text(out, mu_units_noun(unit));
    if (done && most > 0) {
        done = mu_buffer_append_text(out, " from ") && mu_units_print(unit, least, out) &&
               mu_buffer_append_text(out, " to ") && mu_units_print(unit, most, out);
    }
    return done;
}

/* "<place>: plugins.load: <plugin>.<key>: <wrong>; allowed is <allowed>" */
static enum muster_status refuse(const struct look *look, const char *wrong, ...) MU_PRINTF(2, 3);
static enum muster_status refuse(const struct look *look, const char *wrong, ...) {
    char text[512];
    struct mu_buffer allowed;
    va_list arguments;
    va_start(arguments, wrong);
    vsnprintf(text, sizeof text, wrong, arguments);
    va_end(arguments);
    mu_buffer_init(&allowed, 0);
    const char *shown = append_allowed(look->key, &allowed) ? allowed.data : "";
    enum muster_status status =
        mu_error_set(look->error, MUSTER_BAD_REQUEST, "%s: plugins.load: %s.%s: %s; allowed is %s",
                     look->place, look->schema->plugin, look->key->name, text, shown);
    mu_buffer_deinit(&allowed);
    return status;
}

/* ---- values ---- */

static enum muster_status check_text(const struct look *look, const char *text) {
    size_t length = strlen(text);
    if (length < look->key->least) {
        return refuse(look, length == 0 ? "is empty" : "is %zu bytes long", length);
    }
    if (look->key->most > 0 && length > look->key->most) {
        return refuse(look, "is %zu bytes long", length);
    }
    return MUSTER_OK;
}

static enum muster_status check_number(const struct look *look, const char *text) {
    char shown[MU_TEXT_SHOWN];
    uint64_t number = 0;
    mu_text_show(shown, text, strlen(text));
    if (!mu_schema_number(look->key->type, text, &number)) {
        return refuse(look, "'%s' is not %s", shown,
                      look->key->type == MUSTER_CONFIG_BOOLEAN
                          ? "true or false"
                          : mu_units_noun(unit_of(look->key->type)));
    }
    if (number < look->key->least || (look->key->most > 0 && number > look->key->most)) {
        return refuse(look, "'%s' is too %s", shown, number < look->key->least ? "small" : "large");
    }
    return MUSTER_OK;
}

/* Puts the contents of the file in the place of `file:...`. */
static enum muster_status read_secret(const struct look *look, struct muster_config *value) {
    struct mu_buffer secret;
    value->secret = true;
    if (strncmp(value->text, "file:", 5) != 0) {
        return MUSTER_OK;
    }
    mu_buffer_init(&secret, SECRET_MAX_BYTES);
    enum muster_status status =
        mu_text_read_secret(&secret, look->directory, value->text + 5, look->error);
    if (status == MUSTER_OK && (secret.length == 0 || strlen(secret.data) != secret.length)) {
        status = mu_error_set(look->error, MUSTER_BAD_REQUEST,
                              "is read from a file that is empty or holds a NUL");
    }
    if (status == MUSTER_OK) {
        free(value->text);
        value->text = mu_strdup(secret.data);
    } else {
        mu_error_prefix(look->error, "%s: plugins.load: %s.%s", look->place, look->schema->plugin,
                        look->key->name);
    }
    if (secret.data != NULL) {
        explicit_bzero(secret.data, secret.capacity);
    }
    mu_buffer_deinit(&secret);
    return status;
}

static enum muster_status check_list(const struct look *look, const struct muster_config *value) {
    if (value->kind != MU_TREE_LIST) {
        return refuse(look, "is %s", mu_tree_noun(value));
    }
    if (value->count < look->key->least ||
        (look->key->most > 0 && value->count > look->key->most)) {
        return refuse(look, "has %zu items", value->count);
    }
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i]->kind != MU_TREE_SCALAR || value->items[i]->null) {
            struct look item = *look;
            item.place = value->items[i]->place;
            return refuse(&item, "has an item that is no text");
        }
    }
    return MUSTER_OK;
}

static enum muster_status check_value(const struct look *look, struct muster_config *value) {
    if (look->key->type == MUSTER_CONFIG_TREE) {
        return value->kind == MU_TREE_SCALAR ? refuse(look, "is %s", mu_tree_noun(value))
                                             : MUSTER_OK;
    }
    if (look->key->type == MUSTER_CONFIG_LIST) {
        return check_list(look, value);
    }
    if (value->kind != MU_TREE_SCALAR || value->null) {
        return refuse(look, "is %s", mu_tree_noun(value));
    }
    if (look->key->type == MUSTER_CONFIG_SECRET) {
        enum muster_status status = read_secret(look, value);
        return status == MUSTER_OK ? check_text(look, value->text) : status;
    }
    return look->key->type == MUSTER_CONFIG_TEXT ? check_text(look, value->text)
                                                 : check_number(look, value->text);
}

/* ---- defaults ---- */

/* "[a, b]" or "[]": what a default list may be. */
static void add_items(struct muster_config *list, const char *fallback) {
    size_t length = strlen(fallback);
    char *copy = mu_strndup(fallback + 1, length - 2);
    char *rest = copy;
    char *item;
    while ((item = strsep(&rest, ",")) != NULL) {
        item += strspn(item, " ");
        item[strcspn(item, " ")] = '\0';
        if (item[0] != '\0') {
            struct muster_config *node = mu_tree_create(MU_TREE_SCALAR, NULL, DEFAULT_PLACE);
            node->text = mu_strdup(item);
            node->raw = mu_strdup(item);
            mu_tree_add(list, node);
        }
    }
    free(copy);
}

static bool is_enclosed(const char *text, char open, char close) {
    size_t length = strlen(text);
    return length >= 2 && text[0] == open && text[length - 1] == close;
}

/* NULL: the default does not fit its type. */
static struct muster_config *make_default(const struct muster_config_key *key) {
    const char *fallback = key->fallback;
    if (key->type == MUSTER_CONFIG_LIST || key->type == MUSTER_CONFIG_TREE) {
        bool list = is_enclosed(fallback, '[', ']');
        if (!list && (key->type == MUSTER_CONFIG_LIST || strcmp(fallback, "{}") != 0)) {
            return NULL;
        }
        struct muster_config *node =
            mu_tree_create(list ? MU_TREE_LIST : MU_TREE_MAPPING, key->name, DEFAULT_PLACE);
        if (list) {
            add_items(node, fallback);
        }
        return node;
    }
    struct muster_config *node = mu_tree_create(MU_TREE_SCALAR, key->name, DEFAULT_PLACE);
    node->text = mu_strdup(fallback);
    node->raw = mu_strdup(fallback);
    return node;
}

/* ---- the whole ---- */

static enum muster_status unsound(const struct mu_schema *schema, const char *key,
                                  const char *expected, const char *found, struct mu_error *error) {
    return mu_error_set(error, MUSTER_BAD_REQUEST,
                        "%s: configuration key '%s': expected %s, found %s", schema->file, key,
                        expected, found);
}

static enum muster_status sound_key(const struct mu_schema *schema, size_t index,
                                    struct mu_error *error) {
    const struct muster_config_key *key = &schema->keys[index];
    if (key->name == NULL || key->name[0] == '\0') {
        return unsound(schema, "", "a name", "none", error);
    }
    if ((unsigned)key->type > MUSTER_CONFIG_TREE) {
        return unsound(schema, key->name, "a type of enum muster_config_type", "another", error);
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(schema->keys[i].name, key->name) == 0) {
            return unsound(schema, key->name, "it once", "it twice", error);
        }
    }
    if (key->fallback == NULL) {
        return MUSTER_OK;
    }
    struct muster_config *value = make_default(key);
    struct look look = {schema, key, DEFAULT_PLACE, ".", NULL};
    bool fits = value != NULL && check_value(&look, value) == MUSTER_OK;
    mu_tree_destroy(&value);
    return fits ? MUSTER_OK
                : unsound(schema, key->name, "a default that it allows itself", key->fallback,
                          error);
}

enum muster_status mu_schema_sound(const struct mu_schema *schema, struct mu_error *error) {
    if (schema->count > MU_SCHEMA_KEYS_MAX || (schema->count > 0 && schema->keys == NULL)) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "%s: configuration keys: expected at most %d, found %zu%s",
                            schema->file, MU_SCHEMA_KEYS_MAX, schema->count,
                            schema->keys == NULL ? " at NULL" : "");
    }
    for (size_t i = 0; i < schema->count; i++) {
        enum muster_status status = sound_key(schema, i, error);
        if (status != MUSTER_OK) {
            return status;
        }
    }
    return MUSTER_OK;
}

static bool append_keys(const struct mu_schema *schema, struct mu_buffer *out) {
    if (schema->count == 0) {
        return mu_buffer_append_text(out, "it takes no configuration");
    }
    bool done = mu_buffer_append_text(out, "allowed here are ");
    for (size_t i = 0; done && i < schema->count; i++) {
        const char *glue = i == 0 ? "" : i + 1 == schema->count ? " and " : ", ";
        done = mu_buffer_printf(out, "%s%s", glue, schema->keys[i].name);
    }
    return done;
}

static enum muster_status check_unknown(const struct mu_schema *schema,
                                        const struct muster_config *given, struct mu_error *error) {
    for (size_t i = 0; given != NULL && i < given->count; i++) {
        const struct muster_config *item = given->items[i];
        size_t at = 0;
        while (at < schema->count && strcmp(schema->keys[at].name, item->key) != 0) {
            at++;
        }
        if (at < schema->count) {
            continue;
        }
        char shown[MU_TEXT_SHOWN];
        struct mu_buffer allowed;
        mu_buffer_init(&allowed, 0);
        const char *text = append_keys(schema, &allowed) ? allowed.data : "";
        enum muster_status status = mu_error_set(
            error, MUSTER_BAD_REQUEST, "%s: plugins.load: %s.%s: unknown key; %s", item->place,
            schema->plugin, mu_text_show(shown, item->key, strlen(item->key)), text);
        mu_buffer_deinit(&allowed);
        return status;
    }
    return MUSTER_OK;
}

enum muster_status mu_schema_check(const struct mu_schema *schema,
                                   const struct muster_config *given, const char *place,
                                   const char *directory, struct muster_config **checked,
                                   struct mu_error *error) {
    enum muster_status status = check_unknown(schema, given, error);
    struct muster_config *out = mu_tree_create(MU_TREE_MAPPING, NULL, place);
    for (size_t i = 0; status == MUSTER_OK && i < schema->count; i++) {
        const struct muster_config_key *key = &schema->keys[i];
        const struct muster_config *value = mu_tree_get(given, key->name);
        struct look look = {schema, key, value != NULL ? value->place : place, directory, error};
        if (value == NULL && key->required) {
            status = refuse(&look, "is missing");
        } else if (value != NULL || key->fallback != NULL) {
            struct muster_config *copy = value != NULL ? mu_tree_copy(value) : make_default(key);
            mu_tree_add(out, copy);
            status = value != NULL ? check_value(&look, copy) : MUSTER_OK;
        }
    }
    if (status != MUSTER_OK) {
        mu_tree_destroy(&out);
    }
    *checked = out;
    return status;
}
