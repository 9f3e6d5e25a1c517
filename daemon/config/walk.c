#include "config/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "config/keys.h"
#include "config/scan.h"
#include "config/text.h"
#include "config/tree.h"
#include "config/value.h"

#define NAME_MAX_BYTES 256
#define EXPANDED_MAX_BYTES (64u * 1024u)
#define SET_PLACE "--set "

struct walk {
    struct mu_config *config;
    yaml_document_t document; /* while walk_root() is at work */
    const char *name; /* of the file; NULL: a --set, where places in the value mean nothing */
    const char *directory;
    struct mu_error *error;
};

/* "file:line:column: " or "--set ", as every error and every origin begins. For free(). */
static char *place_of(struct walk *walk, const yaml_mark_t *mark) {
    struct mu_buffer place;

    if (walk->name == NULL) {
        return mu_strdup(SET_PLACE);
    }
    mu_buffer_init(&place, 0);
    if (!mu_buffer_printf(&place, "%s:%zu:%zu: ", walk->name, mark->line + 1, mark->column + 1)) {
        abort(); /* out of memory, as in alloc.c */
    }
    return place.data;
}

/* Puts place and key before the sentence that is in walk->error. */
static enum muster_status at_node(struct walk *walk, const yaml_node_t *node, const char *key) {
    char *place = place_of(walk, &node->start_mark);
    char shown[MU_TEXT_SHOWN];

    mu_error_prefix(walk->error, "%s%s", place, mu_text_show(shown, key, strlen(key)));
    free(place);
    return walk->error->status;
}

static bool is_null(const yaml_node_t *node) {
    const char *text = (const char *)node->data.scalar.value;

    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

/* The scalar as it counts: environment in place, secret file read. `out` is the caller's. */
static enum muster_status finish_text(struct walk *walk, const struct mu_config_key *key,
                                      const yaml_node_t *node, struct mu_buffer *out) {
    const char *text = (const char *)node->data.scalar.value;
    size_t length = node->data.scalar.length;
    enum muster_status status = mu_text_expand(out, text, length, walk->error);
    struct mu_buffer secret;

    if (status == MUSTER_OK && key->secret && out->length >= 5 &&
        memcmp(out->data, "file:", 5) == 0 && memchr(out->data, '\0', out->length) == NULL) {
        mu_buffer_init(&secret, EXPANDED_MAX_BYTES);
        status = mu_text_read_secret(&secret, walk->directory, out->data + 5, walk->error);
        mu_buffer_clear(out);
        if (status == MUSTER_OK && secret.length == 0) {
            status = mu_value_refuse(key, walk->error, "is read from an empty file");
        }
        if (status == MUSTER_OK && !mu_buffer_append(out, secret.data, secret.length)) {
            status = mu_error_set(walk->error, MUSTER_INTERNAL, "out of memory");
        }
        if (secret.data != NULL) {
            explicit_bzero(secret.data, secret.capacity);
        }
        mu_buffer_deinit(&secret);
    }
    if (status == MUSTER_OK && out->length > 0 && !mu_text_printable(out->data, out->length)) {
        status = mu_error_set(walk->error, MUSTER_BAD_REQUEST,
                              "has a control character or is not UTF-8; allowed is printable text");
    }
    return status;
}

static void forget(const struct mu_config_key *key, struct mu_buffer *text) {
    if (key->secret && text->data != NULL) {
        explicit_bzero(text->data, text->capacity);
    }
    mu_buffer_deinit(text);
}

static enum muster_status read_scalar(struct walk *walk, const struct mu_config_key *key,
                                      const yaml_node_t *node) {
    enum muster_status status;
    struct mu_buffer text;

    mu_buffer_init(&text, EXPANDED_MAX_BYTES);
    status = finish_text(walk, key, node, &text);
    if (status == MUSTER_OK) {
        status = mu_value_read(walk->config, key, text.data != NULL ? text.data : "", walk->error);
    }
    forget(key, &text);
    return status;
}

static enum muster_status read_item(struct walk *walk, const struct mu_config_key *key,
                                    const yaml_node_t *node, char **item) {
    enum muster_status status;
    struct mu_buffer text;

    if (node->type != YAML_SCALAR_NODE || is_null(node)) {
        return mu_value_refuse(key, walk->error, "has an item that is no text");
    }
    mu_buffer_init(&text, EXPANDED_MAX_BYTES);
    status = finish_text(walk, key, node, &text);
    if (status == MUSTER_OK) {
        *item = mu_strdup(text.data != NULL ? text.data : "");
    }
    forget(key, &text);
    return status;
}

static enum muster_status read_list(struct walk *walk, const struct mu_config_key *key,
                                    const yaml_node_t *node) {
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    char **items;

    if (count > key->most) {
        mu_value_refuse(key, walk->error, "has %zu items", count);
        return at_node(walk, node, key->name);
    }
    items = count > 0 ? mu_calloc(count, sizeof *items) : NULL;
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item =
            yaml_document_get_node(&walk->document, node->data.sequence.items.start[i]);

        if (read_item(walk, key, item, &items[i]) != MUSTER_OK) {
            for (size_t j = 0; j < i; j++) {
                free(items[j]);
            }
            free(items);
            return at_node(walk, item, key->name);
        }
    }
    mu_value_set_list(walk->config, key, items, count);
    return MUSTER_OK;
}

static enum muster_status read_single(struct walk *walk, const struct mu_config_key *key,
                                      const yaml_node_t *node) {
    char **items = mu_calloc(1, sizeof *items);
    enum muster_status status = read_item(walk, key, node, &items[0]);

    if (status != MUSTER_OK) {
        free(items);
        return at_node(walk, node, key->name);
    }
    mu_value_set_list(walk->config, key, items, 1);
    return MUSTER_OK;
}

static enum muster_status read_tree(struct walk *walk, const struct mu_config_key *key,
                                    const yaml_node_t *node) {
    struct muster_config *tree;

    tree = mu_tree_read(&(struct mu_tree_source){.document = &walk->document,
                                                 .name = walk->name,
                                                 .directory = walk->directory,
                                                 .key = key->name},
                        node, walk->error);
    if (tree == NULL) {
        return walk->error->status;
    }
    if (mu_tree_check_plugins(tree, walk->error) != MUSTER_OK) {
        mu_tree_destroy(&tree);
        return walk->error->status;
    }
    mu_value_set_tree(walk->config, key, tree);
    return MUSTER_OK;
}

static enum muster_status read_value(struct walk *walk, size_t index, const yaml_node_t *node) {
    const struct mu_config_key *key = &mu_config_keys[index];
    enum muster_status status;

    if (key->type == MU_TYPE_LIST && node->type == YAML_SEQUENCE_NODE) {
        status = read_list(walk, key, node);
    } else if (key->type == MU_TYPE_LIST && key->single && node->type == YAML_SCALAR_NODE &&
               !is_null(node)) {
        status = read_single(walk, key, node);
    } else if (key->type == MU_TYPE_TREE && node->type == YAML_SEQUENCE_NODE) {
        status = read_tree(walk, key, node);
    } else if (key->type == MU_TYPE_TREE && is_null(node)) {
        mu_value_clear(walk->config, key); /* all its items are commented out */
        status = MUSTER_OK;
    } else {
        if (is_null(node)) {
            status = mu_value_refuse(key, walk->error, "has no value");
        } else if (node->type == YAML_SCALAR_NODE) {
            status = read_scalar(walk, key, node);
        } else {
            status = mu_value_refuse(key, walk->error, "is a %s",
                                     node->type == YAML_MAPPING_NODE ? "mapping" : "list");
        }
        if (status != MUSTER_OK) {
            at_node(walk, node, key->name);
        }
    }
    if (status == MUSTER_OK) {
        free(walk->config->origins[index]);
        walk->config->origins[index] = place_of(walk, &node->start_mark);
    }
    return status;
}

static enum muster_status walk_mapping(struct walk *walk, const yaml_node_t *node,
                                       const char *section);

static enum muster_status unknown_key(struct walk *walk, const yaml_node_t *node,
                                      const char *section, const char *last, const char *name) {
    struct mu_buffer sentence;

    mu_buffer_init(&sentence, 0);
    if (mu_config_key_unknown(&sentence, section, last)) {
        mu_error_set(walk->error, MUSTER_BAD_REQUEST, "%s", sentence.data);
    } else {
        mu_error_set(walk->error, MUSTER_INTERNAL, "out of memory");
    }
    mu_buffer_deinit(&sentence);
    return at_node(walk, node, name);
}

static enum muster_status walk_section(struct walk *walk, const yaml_node_t *node,
                                       const char *name) {
    if (is_null(node)) {
        return MUSTER_OK; /* all its keys are commented out */
    }
    if (node->type != YAML_MAPPING_NODE) {
        mu_error_set(walk->error, MUSTER_BAD_REQUEST,
                     "is not a section; allowed is a mapping of its keys to values");
        return at_node(walk, node, name);
    }
    return walk_mapping(walk, node, name);
}

static bool same_scalar(const yaml_node_t *a, const yaml_node_t *b) {
    return a->data.scalar.length == b->data.scalar.length &&
           memcmp(a->data.scalar.value, b->data.scalar.value, a->data.scalar.length) == 0;
}

/* Every earlier key of the mapping is known and differs, so there are never many. */
static const yaml_node_t *earlier(struct walk *walk, const yaml_node_t *mapping,
                                  const yaml_node_pair_t *until) {
    const yaml_node_t *key = yaml_document_get_node(&walk->document, until->key);

    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < until; pair++) {
        const yaml_node_t *other = yaml_document_get_node(&walk->document, pair->key);

        if (same_scalar(key, other)) {
            return other;
        }
    }
    return NULL;
}

static enum muster_status walk_pair(struct walk *walk, const yaml_node_t *mapping,
                                    const yaml_node_pair_t *pair, const char *section) {
    const yaml_node_t *key = yaml_document_get_node(&walk->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(&walk->document, pair->value);
    const yaml_node_t *first;
    const char *last;
    char name[NAME_MAX_BYTES];
    size_t index;

    if (key->type != YAML_SCALAR_NODE || key->data.scalar.length == 0 ||
        strlen((const char *)key->data.scalar.value) != key->data.scalar.length) {
        mu_error_set(walk->error, MUSTER_BAD_REQUEST,
                     "a key that is no word; allowed are the names of keys");
        return at_node(walk, key, section[0] != '\0' ? section : "the file");
    }
    last = (const char *)key->data.scalar.value;
    /* Cut, it is still unknown: no key is that long. */
    snprintf(name, sizeof name, "%s%s%s", section, section[0] != '\0' ? "." : "", last);
    first = earlier(walk, mapping, pair);
    if (first != NULL) {
        mu_error_set(walk->error, MUSTER_BAD_REQUEST,
                     "given twice, first in line %zu; allowed is once", first->start_mark.line + 1);
        return at_node(walk, key, name);
    }
    index = strchr(last, '.') == NULL ? mu_config_key_find(name) : mu_config_key_count;
    if (index < mu_config_key_count) {
        return read_value(walk, index, value);
    }
    if (strchr(last, '.') == NULL && mu_config_key_is_section(name)) {
        return walk_section(walk, value, name);
    }
    return unknown_key(walk, key, section, last, name);
}

/* Recursion ends with the depth of the sections in the table. */
static enum muster_status walk_mapping(struct walk *walk, const yaml_node_t *node,
                                       const char *section) {
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        enum muster_status status = walk_pair(walk, node, pair, section);

        if (status != MUSTER_OK) {
            return status;
        }
    }
    return MUSTER_OK;
}

static enum muster_status walk_root(struct walk *walk, size_t key) {
    yaml_node_t empty = {.type = YAML_SCALAR_NODE,
                         .data.scalar = {(yaml_char_t *)"", 0, YAML_DOUBLE_QUOTED_SCALAR_STYLE}};
    const yaml_node_t *root = yaml_document_get_root_node(&walk->document);

    if (walk->name == NULL) {
        /* `--set key=` is the empty text: on a command line there is no other way to mean it. */
        return read_value(walk, key, root != NULL ? root : &empty);
    }
    if (root == NULL || is_null(root)) {
        return MUSTER_OK;
    }
    if (root->type != YAML_MAPPING_NODE) {
        mu_error_set(walk->error, MUSTER_BAD_REQUEST,
                     "holds no keys; allowed is a mapping of keys to values, such as "
                     "'namespace: muster'");
        return at_node(walk, root, "the file");
    }
    return walk_mapping(walk, root, "");
}

/* Puts the place of a fault of the text as a whole before its sentence. */
static enum muster_status in_text(struct walk *walk, size_t key,
                                  const struct mu_config_place *place) {
    if (walk->name == NULL) {
        return mu_error_prefix(walk->error, SET_PLACE "%s", mu_config_keys[key].name);
    }
    if (place->line == 0) {
        return mu_error_prefix(walk->error, "%s", walk->name);
    }
    return mu_error_prefix(walk->error, "%s:%zu:%zu", walk->name, place->line, place->column);
}

/* Scans the text, composes its document and walks it. */
static enum muster_status walk_text(struct walk *walk, size_t key, const char *text,
                                    size_t length) {
    struct mu_config_place place;
    enum muster_status status = mu_config_scan(text, length, &place, walk->error);
    yaml_parser_t parser;

    if (status != MUSTER_OK) {
        return in_text(walk, key, &place);
    }
    if (!yaml_parser_initialize(&parser)) {
        return mu_error_set(walk->error, MUSTER_INTERNAL, "out of memory");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (yaml_parser_load(&parser, &walk->document)) {
        status = walk_root(walk, key);
        yaml_document_delete(&walk->document);
    } else {
        mu_config_yaml_error(&parser, text, length, &place, walk->error);
        status = in_text(walk, key, &place);
    }
    yaml_parser_delete(&parser);
    return status;
}

enum muster_status mu_walk_file(struct mu_config *config, const char *name, const char *directory,
                                const char *text, size_t length, struct mu_error *error) {
    struct walk walk = {.config = config, .name = name, .directory = directory, .error = error};

    return walk_text(&walk, mu_config_key_count, text, length);
}

enum muster_status mu_walk_value(struct mu_config *config, size_t key, const char *text,
                                 size_t length, struct mu_error *error) {
    struct walk walk = {.config = config, .directory = ".", .error = error};

    return walk_text(&walk, key, text, length);
}
