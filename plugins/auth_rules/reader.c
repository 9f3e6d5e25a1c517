#include "auth_rules/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum rules_shape rules_shape(const struct rules_reader *reader, const struct muster_config *node) {
    if (node == NULL) {
        return RULES_NOTHING;
    }
    if (reader->host->config_text(reader->plugin, node) != NULL) {
        return RULES_TEXT;
    }
    if (reader->host->config_count(reader->plugin, node) == 0) {
        return RULES_NOTHING;
    }
    return reader->host->config_key(reader->plugin, node, 0) != NULL ? RULES_MAPPING : RULES_LIST;
}

enum muster_status rules_complain(const struct rules_reader *reader,
                                  const struct muster_config *node, const char *format, ...) {
    char *text = reader->complaint->text;
    size_t size = sizeof reader->complaint->text;
    va_list arguments;
    /* What does not fit is cut: the place and the key come first. */
    int length = snprintf(text, size, "%s: %s", reader->host->config_place(reader->plugin, node),
                          reader->where);
    if (length > 0 && (size_t)length < size) {
        va_start(arguments, format);
        vsnprintf(text + length, size - (size_t)length, format, arguments);
        va_end(arguments);
    }
    return MUSTER_BAD_REQUEST;
}

void rules_join(char *out, size_t size, const char *const *words) {
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && length < size; i++) {
        const char *glue = i == 0 ? "" : words[i + 1] == NULL ? " and " : ", ";
        length += (size_t)snprintf(out + length, size - length, "%s%s", glue, words[i]);
    }
}

enum muster_status rules_check_keys(const struct rules_reader *reader,
                                    const struct muster_config *node, const char *const *allowed) {
    char words[256];
    rules_join(words, sizeof words, allowed);
    if (rules_shape(reader, node) != RULES_MAPPING) {
        return rules_complain(reader, node, "is no mapping; allowed here are %s", words);
    }
    for (size_t i = 0; i < reader->host->config_count(reader->plugin, node); i++) {
        const char *key = reader->host->config_key(reader->plugin, node, i);
        size_t at = 0;
        while (allowed[at] != NULL && strcmp(allowed[at], key) != 0) {
            at++;
        }
        if (allowed[at] == NULL) {
            return rules_complain(reader, reader->host->config_item(reader->plugin, node, i),
                                  "unknown key '%.64s'; allowed here are %s", key, words);
        }
    }
    return MUSTER_OK;
}

enum muster_status rules_read_text(const struct rules_reader *reader,
                                   const struct muster_config *node, const char *name, size_t most,
                                   const char **text) {
    *text = reader->host->config_text(reader->plugin, node);
    size_t length = *text != NULL ? strlen(*text) : 0;
    return length > 0 && length <= most
               ? MUSTER_OK
               : rules_complain(reader, node, "%s: is no text of 1 to %zu bytes", name, most);
}

enum muster_status rules_read_word(const struct rules_reader *reader,
                                   const struct muster_config *node, const char *name,
                                   const char *const *words, size_t *index) {
    const char *text = reader->host->config_text(reader->plugin, node);
    char allowed[256];
    for (*index = 0; text != NULL && words[*index] != NULL; (*index)++) {
        if (strcmp(words[*index], text) == 0) {
            return MUSTER_OK;
        }
    }
    rules_join(allowed, sizeof allowed, words);
    return rules_complain(reader, node, "%s: '%.64s' is not known; allowed are %s", name,
                          text != NULL ? text : "", allowed);
}

static const char *noun_of(enum muster_config_type type) {
    return type == MUSTER_CONFIG_DURATION ? "a duration such as 500ms, 3s or 5m" : "a whole number";
}

enum muster_status rules_read_number(const struct rules_reader *reader,
                                     const struct muster_config *node, const char *name,
                                     enum muster_config_type type, uint64_t least, uint64_t most,
                                     uint64_t *number) {
    if (!reader->host->config_number(reader->plugin, node, type, number)) {
        return rules_complain(reader, node, "%s: is not %s", name, noun_of(type));
    }
    if (*number < least || *number > most) {
        return rules_complain(reader, node, "%s: is out of range; allowed is %llu to %llu%s", name,
                              (unsigned long long)least, (unsigned long long)most,
                              type == MUSTER_CONFIG_DURATION ? " ms" : "");
    }
    return MUSTER_OK;
}

size_t rules_count(const struct rules_reader *reader, const struct muster_config *node) {
    return rules_shape(reader, node) == RULES_TEXT
               ? 1
               : reader->host->config_count(reader->plugin, node);
}

enum muster_status
rules_read_each(const struct rules_reader *reader, const struct muster_config *node,
                const char *name, size_t most,
                enum muster_status (*take)(void *context, const struct rules_reader *reader,
                                           const struct muster_config *item, const char *text),
                void *context) {
    enum rules_shape shape = rules_shape(reader, node);
    size_t count = rules_count(reader, node);
    enum muster_status status = MUSTER_OK;
    if ((shape != RULES_TEXT && shape != RULES_LIST) || count > most) {
        return rules_complain(reader, node, "%s: is neither a text nor a list of 1 to %zu texts",
                              name, most);
    }
    for (size_t i = 0; status == MUSTER_OK && i < count; i++) {
        const struct muster_config *item =
            shape == RULES_TEXT ? node : reader->host->config_item(reader->plugin, node, i);
        const char *text = reader->host->config_text(reader->plugin, item);
        status = text != NULL && text[0] != '\0'
                     ? take(context, reader, item, text)
                     : rules_complain(reader, item, "%s: has an item that is no text", name);
    }
    return status;
}
