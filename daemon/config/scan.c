#include "config/scan.h"

#include <stdbool.h>

struct scan {
    size_t depth;
    bool marked;  /* a `---` was there */
    bool content; /* something of the document was there */
    bool ended;   /* the document was ended with `...` */
};

/* Of bytes that are no text the reader knows only the offset. */
static struct mu_config_place place_of_offset(const char *text, size_t length, size_t offset) {
    struct mu_config_place place = {1, 1};

    for (size_t i = 0; i < offset && i < length; i++) {
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)text[i] & 0xC0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static struct mu_config_place place_of_mark(const yaml_mark_t *mark) {
    return (struct mu_config_place){mark->line + 1, mark->column + 1};
}

enum muster_status mu_config_yaml_error(const yaml_parser_t *parser, const char *text,
                                        size_t length, struct mu_config_place *place,
                                        struct mu_error *error) {
    const char *problem = parser->problem != NULL ? parser->problem : "it cannot be read";

    if (parser->error == YAML_MEMORY_ERROR) {
        return mu_error_set(error, MUSTER_INTERNAL, "out of memory");
    }
    *place = parser->error == YAML_READER_ERROR
                 ? place_of_offset(text, length, parser->problem_offset)
                 : place_of_mark(&parser->problem_mark);
    if (parser->context != NULL) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "not valid YAML: %s %s", problem,
                            parser->context);
    }
    return mu_error_set(error, MUSTER_BAD_REQUEST, "not valid YAML: %s", problem);
}

static enum muster_status refuse(const char *sentence, struct mu_error *error) {
    return mu_error_set(error, MUSTER_BAD_REQUEST, "%s", sentence);
}

static enum muster_status content(struct scan *scan, struct mu_error *error) {
    if (scan->ended) {
        return refuse("a second document; allowed is one", error);
    }
    scan->content = true;
    return MUSTER_OK;
}

static enum muster_status nested(struct scan *scan, struct mu_error *error) {
    if (scan->depth >= MU_CONFIG_MAX_DEPTH) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "nested too deep; allowed are %d levels",
                            MU_CONFIG_MAX_DEPTH);
    }
    scan->depth++;
    return content(scan, error);
}

static enum muster_status look(struct scan *scan, const yaml_token_t *token,
                               struct mu_error *error) {
    switch (token->type) {
    case YAML_NO_TOKEN:
    case YAML_STREAM_START_TOKEN:
    case YAML_STREAM_END_TOKEN:
    case YAML_VERSION_DIRECTIVE_TOKEN:
        return MUSTER_OK;
    case YAML_TAG_DIRECTIVE_TOKEN:
    case YAML_TAG_TOKEN:
        return refuse("a tag; allowed are plain values without '!'", error);
    case YAML_ANCHOR_TOKEN:
        return refuse("an anchor; allowed are plain values without '&'", error);
    case YAML_ALIAS_TOKEN:
        return refuse("an alias; allowed are plain values without '*'", error);
    case YAML_DOCUMENT_START_TOKEN:
        if (scan->marked || scan->content) {
            return refuse("a second document; allowed is one", error);
        }
        scan->marked = true;
        return MUSTER_OK;
    case YAML_DOCUMENT_END_TOKEN:
        scan->ended = scan->marked || scan->content;
        return MUSTER_OK;
    case YAML_BLOCK_SEQUENCE_START_TOKEN:
    case YAML_BLOCK_MAPPING_START_TOKEN:
    case YAML_FLOW_SEQUENCE_START_TOKEN:
    case YAML_FLOW_MAPPING_START_TOKEN:
        return nested(scan, error);
    case YAML_BLOCK_END_TOKEN:
    case YAML_FLOW_SEQUENCE_END_TOKEN:
    case YAML_FLOW_MAPPING_END_TOKEN:
        /* An unmatched end is for the parser to refuse. */
        scan->depth -= scan->depth > 0;
        return MUSTER_OK;
    case YAML_BLOCK_ENTRY_TOKEN:
    case YAML_FLOW_ENTRY_TOKEN:
    case YAML_KEY_TOKEN:
    case YAML_VALUE_TOKEN:
    case YAML_SCALAR_TOKEN:
        break;
    }
    return content(scan, error);
}

enum muster_status mu_config_scan(const char *text, size_t length, struct mu_config_place *place,
                                  struct mu_error *error) {
    struct scan scan = {0};
    enum muster_status status = MUSTER_OK;
    yaml_parser_t parser;
    bool more = true;

    *place = (struct mu_config_place){0, 0};
    if (length > MU_CONFIG_MAX_BYTES) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "is too large; allowed are 256KiB");
    }
    if (!yaml_parser_initialize(&parser)) {
        return mu_error_set(error, MUSTER_INTERNAL, "out of memory");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    while (more && status == MUSTER_OK) {
        yaml_token_t token;

        if (!yaml_parser_scan(&parser, &token)) {
            status = mu_config_yaml_error(&parser, text, length, place, error);
            break;
        }
        more = token.type != YAML_STREAM_END_TOKEN;
        status = look(&scan, &token, error);
        if (status != MUSTER_OK) {
            *place = place_of_mark(&token.start_mark);
        }
        yaml_token_delete(&token);
    }
    yaml_parser_delete(&parser);
    return status;
}
