#include "config/tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "config/text.h"

#define EXPANDED_MAX_BYTES (64u * 1024u)

/* ---- nodes ---- */

struct muster_config *mu_tree_create(enum mu_tree_kind kind, const char *key, const char *place) {
    struct muster_config *node = mu_calloc(1, sizeof *node);
    node->kind = kind;
    node->key = key != NULL ? mu_strdup(key) : NULL;
    node->place = mu_strdup(place);
    return node;
}

void mu_tree_add(struct muster_config *node, struct muster_config *item) {
    node->items = mu_realloc(node->items, (node->count + 1) * sizeof(struct muster_config *));
    node->items[node->count++] = item;
}

static char *copy_text(const char *text) {
    return text != NULL ? mu_strdup(text) : NULL;
}

struct muster_config *mu_tree_copy(const struct muster_config *node) {
    struct muster_config *copy = mu_tree_create(node->kind, node->key, node->place);
    copy->null = node->null;
    copy->secret = node->secret;
    copy->text = copy_text(node->text);
    copy->raw = copy_text(node->raw);
    copy->directory = copy_text(node->directory);
    for (size_t i = 0; i < node->count; i++) {
        mu_tree_add(copy, mu_tree_copy(node->items[i]));
    }
    return copy;
}

static void wipe(char *text) {
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
    }
    free(text);
}

void mu_tree_destroy(struct muster_config **node) {
    struct muster_config *self = *node;
    *node = NULL;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        mu_tree_destroy(&self->items[i]);
    }
    free(self->items);
    free(self->key);
    /* Nobody knows yet what is a secret in a tree that was not checked against a schema. */
    wipe(self->text);
    wipe(self->raw);
    free(self->place);
    free(self->directory);
    free(self);
}

const struct muster_config *mu_tree_get(const struct muster_config *node, const char *key) {
    if (node == NULL || node->kind != MU_TREE_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (strcmp(node->items[i]->key, key) == 0) {
            return node->items[i];
        }
    }
    return NULL;
}

const char *mu_tree_noun(const struct muster_config *node) {
    switch (node->kind) {
    case MU_TREE_LIST:
        return "a list";
    case MU_TREE_MAPPING:
        return "a mapping";
    case MU_TREE_SCALAR:
        break;
    }
    return node->null ? "no value" : "a text";
}

/* ---- reading ---- */

static char *place_of(const struct mu_tree_source *source, const yaml_node_t *node) {
    struct mu_buffer place;
    bool done;
    mu_buffer_init(&place, 0);
    if (source->name == NULL) {
        done = mu_buffer_append_text(&place, "--set");
    } else {
        done = mu_buffer_printf(&place, "%s:%zu:%zu", source->name, node->start_mark.line + 1,
                                node->start_mark.column + 1);
    }
    if (!done) {
        abort(); /* out of memory, as in alloc.c */
    }
    return place.data;
}

static enum muster_status fault(const struct mu_tree_source *source, const char *place,
                                struct mu_error *error) {
    return mu_error_prefix(error, "%s: %s", place, source->key);
}

static bool is_null(const yaml_node_t *node) {
    const char *text = (const char *)node->data.scalar.value;
    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static enum muster_status read_scalar(struct muster_config *self, const yaml_node_t *node,
                                      struct mu_error *error) {
    const char *text = (const char *)node->data.scalar.value;
    size_t length = node->data.scalar.length;
    struct mu_buffer expanded;
    self->null = is_null(node);
    mu_buffer_init(&expanded, EXPANDED_MAX_BYTES);
    enum muster_status status = mu_text_expand(&expanded, text, length, error);
    if (status == MUSTER_OK &&
        (!mu_text_printable(text, length) || !mu_text_printable(expanded.data, expanded.length))) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST,
                              "has a control character or is not UTF-8; allowed is printable text");
    }
    if (status == MUSTER_OK) {
        self->text = mu_strdup(expanded.data != NULL ? expanded.data : "");
        self->raw = mu_strndup(text, length);
    }
    if (expanded.data != NULL) {
        explicit_bzero(expanded.data, expanded.capacity);
    }
    mu_buffer_deinit(&expanded);
    return status;
}

static struct muster_config *read_node(const struct mu_tree_source *source, const yaml_node_t *node,
                                       const char *key, struct mu_error *error);

static enum muster_status read_list(const struct mu_tree_source *source, struct muster_config *self,
                                    const yaml_node_t *node, struct mu_error *error) {
    for (yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top;
         at++) {
        struct muster_config *item =
            read_node(source, yaml_document_get_node(source->document, *at), NULL, error);
        if (item == NULL) {
            return error->status;
        }
        mu_tree_add(self, item);
    }
    return MUSTER_OK;
}

static enum muster_status read_pair(const struct mu_tree_source *source, struct muster_config *self,
                                    const yaml_node_pair_t *pair, struct mu_error *error) {
    const yaml_node_t *key = yaml_document_get_node(source->document, pair->key);
    const char *name = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "";
    char shown[MU_TEXT_SHOWN];
    enum muster_status status = MUSTER_OK;
    if (name[0] == '\0' || strlen(name) != key->data.scalar.length) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST,
                              "a key that is no word; allowed are the names of keys");
    } else if (mu_tree_get(self, name) != NULL) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST, "'%s' is given twice; allowed is once",
                              mu_text_show(shown, name, strlen(name)));
    }
    if (status != MUSTER_OK) {
        char *place = place_of(source, key);
        fault(source, place, error);
        free(place);
        return status;
    }
    struct muster_config *item =
        read_node(source, yaml_document_get_node(source->document, pair->value), name, error);
    if (item == NULL) {
        return error->status;
    }
    mu_tree_add(self, item);
    return MUSTER_OK;
}

/* Recursion ends with the depth that scan.c allows. */
static struct muster_config *read_node(const struct mu_tree_source *source, const yaml_node_t *node,
                                       const char *key, struct mu_error *error) {
    char *place = place_of(source, node);
    struct muster_config *self = mu_tree_create(node->type == YAML_MAPPING_NODE    ? MU_TREE_MAPPING
                                                : node->type == YAML_SEQUENCE_NODE ? MU_TREE_LIST
                                                                                   : MU_TREE_SCALAR,
                                                key, place);
    enum muster_status status = MUSTER_OK;
    if (node->type == YAML_SCALAR_NODE) {
        status = read_scalar(self, node, error);
        if (status != MUSTER_OK) {
            fault(source, place, error);
        }
    } else if (node->type == YAML_SEQUENCE_NODE) {
        status = read_list(source, self, node, error);
    } else {
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
             status == MUSTER_OK && pair < node->data.mapping.pairs.top; pair++) {
            status = read_pair(source, self, pair, error);
        }
    }
    free(place);
    if (status != MUSTER_OK) {
        mu_tree_destroy(&self);
    }
    return self;
}

struct muster_config *mu_tree_read(const struct mu_tree_source *source, const yaml_node_t *node,
                                   struct mu_error *error) {
    struct muster_config *root = read_node(source, node, NULL, error);
    if (root != NULL) {
        root->directory = mu_strdup(source->directory);
    }
    return root;
}

/* ---- plugins.load ---- */

static enum muster_status refuse(const struct muster_config *node, struct mu_error *error,
                                 const char *sentence) {
    return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: plugins.load: %s", node->place, sentence);
}

static enum muster_status check_plugin(const struct muster_config *item, struct mu_error *error) {
    if (item->kind != MU_TREE_MAPPING) {
        return refuse(item, error,
                      "has an item that is no mapping; allowed is {name: ..., config: {...}}");
    }
    for (size_t i = 0; i < item->count; i++) {
        const struct muster_config *field = item->items[i];
        if (strcmp(field->key, "name") == 0) {
            if (field->kind != MU_TREE_SCALAR || field->text[0] == '\0' || field->null) {
                return refuse(field, error,
                              "the name is no text; allowed is a name or an absolute path");
            }
        } else if (strcmp(field->key, "config") == 0) {
            if (field->kind != MU_TREE_MAPPING && !field->null) {
                return refuse(field, error,
                              "the config is no mapping; allowed is {key: value, ...}");
            }
        } else {
            return refuse(field, error, "unknown key; allowed here are name and config");
        }
    }
    return mu_tree_get(item, "name") != NULL
               ? MUSTER_OK
               : refuse(item, error, "has an item without a name; allowed is {name: ...}");
}

enum muster_status mu_tree_check_plugins(const struct muster_config *load, struct mu_error *error) {
    if (load->kind != MU_TREE_LIST) {
        return refuse(load, error, "is no list; allowed is [{name: ..., config: {...}}, ...]");
    }
    if (load->count > MU_PLUGINS_MAX) {
        return refuse(load, error, "has too many items; allowed are 64");
    }
    for (size_t i = 0; i < load->count; i++) {
        enum muster_status status = check_plugin(load->items[i], error);
        if (status != MUSTER_OK) {
            return status;
        }
    }
    return MUSTER_OK;
}

/* ---- printing ---- */

static bool secret_name(const char *key) {
    static const char *const words[] = {"secret",     "token",   "password", "passwd",
                                        "credential", "private", "salt"};
    for (size_t i = 0; key != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(key, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* A reference to a secret is none. */
static bool is_reference(const char *raw) {
    return strncmp(raw, "file:", 5) == 0 || raw[0] == '\0' ||
           (strncmp(raw, "${", 2) == 0 && strchr(raw, '}') == raw + strlen(raw) - 1);
}

static bool print_scalar(const struct muster_config *node, bool hidden, struct mu_buffer *out) {
    if (node->null) {
        return mu_buffer_append_text(out, "null");
    }
    const char *raw = node->raw;
    if (hidden && !is_reference(raw)) {
        return mu_buffer_append_text(out, "\"***\"");
    }
    const char *user = strstr(raw, "://");
    const char *at = strrchr(raw, '@');
    const char *colon = user != NULL && at != NULL && at > user + 3
                            ? memchr(user + 3, ':', (size_t)(at - (user + 3)))
                            : NULL;
    if (colon == NULL) {
        return mu_buffer_append_json(out, raw, strlen(raw));
    }
    struct mu_buffer masked;
    mu_buffer_init(&masked, 0);
    bool done = mu_buffer_printf(&masked, "%.*s:***%s", (int)(colon - raw), raw, at) &&
                mu_buffer_append_json(out, masked.data, masked.length);
    mu_buffer_deinit(&masked);
    return done;
}

static bool print_node(const struct muster_config *node, bool hidden, struct mu_buffer *out) {
    bool mapping = node->kind == MU_TREE_MAPPING;
    hidden = hidden || secret_name(node->key);
    if (node->kind == MU_TREE_SCALAR) {
        return print_scalar(node, hidden, out);
    }
    bool done = mu_buffer_append_text(out, mapping ? "{" : "[");
    for (size_t i = 0; done && i < node->count; i++) {
        done = mu_buffer_append_text(out, i > 0 ? ", " : "");
        if (done && mapping) {
            const char *key = node->items[i]->key;
            done = mu_buffer_append_json(out, key, strlen(key)) && mu_buffer_append_text(out, ": ");
        }
        done = done && print_node(node->items[i], hidden, out);
    }
    return done && mu_buffer_append_text(out, mapping ? "}" : "]");
}

bool mu_tree_print(const struct muster_config *node, struct mu_buffer *out) {
    return print_node(node, false, out);
}

bool mu_tree_same(const struct muster_config *a, const struct muster_config *b) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    bool same = a->kind == b->kind && a->null == b->null && a->count == b->count &&
                (a->text == NULL) == (b->text == NULL) &&
                (a->text == NULL || strcmp(a->text, b->text) == 0);
    for (size_t i = 0; same && i < a->count; i++) {
        const char *key = a->items[i]->key;
        same = mu_tree_same(a->items[i],
                            a->kind == MU_TREE_MAPPING ? mu_tree_get(b, key) : b->items[i]);
    }
    return same;
}
