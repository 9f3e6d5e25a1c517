#include "lib/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

static bool is_kind(const json_t *value, const char *kind) {
    return strcmp(kind, "#any") == 0 || (strcmp(kind, "#int") == 0 && json_is_integer(value)) ||
           (strcmp(kind, "#str") == 0 && json_is_string(value)) ||
           (strcmp(kind, "#bool") == 0 && json_is_boolean(value)) ||
           (strcmp(kind, "#object") == 0 && json_is_object(value)) ||
           (strcmp(kind, "#array") == 0 && json_is_array(value));
}

static bool object_matches(const json_t *value, const json_t *pattern, char *where, size_t size) {
    const char *name = NULL;
    json_t *member = NULL;
    bool more = json_object_get(pattern, "#more") != NULL;
    if (!json_is_object(value)) {
        snprintf(where, size, "no object");
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)pattern, name, member) {
        char inner[200] = "";
        const json_t *there = json_object_get(value, name);
        if (strcmp(name, "#more") == 0)
            continue;
        if (there == NULL) {
            snprintf(where, size, "%s is missing", name);
            return false;
        }
        if (!mt_json_matches(there, member, inner, sizeof inner)) {
            snprintf(where, size, "%s: %s", name, inner);
            return false;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, member) {
        if (!more && json_object_get(pattern, name) == NULL) {
            snprintf(where, size, "%s is too many", name);
            return false;
        }
    }
    return true;
}

static bool array_matches(const json_t *value, const json_t *pattern, char *where, size_t size) {
    if (!json_is_array(value) || json_array_size(value) != json_array_size(pattern)) {
        snprintf(where, size, "no array of %zu", json_array_size(pattern));
        return false;
    }
    for (size_t i = 0; i < json_array_size(pattern); i++) {
        char inner[200] = "";
        if (!mt_json_matches(json_array_get(value, i), json_array_get(pattern, i), inner,
                             sizeof inner)) {
            snprintf(where, size, "[%zu]: %s", i, inner);
            return false;
        }
    }
    return true;
}

bool mt_json_matches(const json_t *value, const json_t *pattern, char *where, size_t size) {
    if (json_is_object(pattern))
        return object_matches(value, pattern, where, size);
    if (json_is_array(pattern))
        return array_matches(value, pattern, where, size);
    if (json_is_string(pattern) && json_string_value(pattern)[0] == '#') {
        if (is_kind(value, json_string_value(pattern)))
            return true;
    } else if (json_equal(value, pattern)) {
        return true;
    }
    char *wanted = json_dumps(pattern, JSON_ENCODE_ANY);
    char *got = json_dumps(value, JSON_ENCODE_ANY);
    snprintf(where, size, "is %.80s and not %.80s", got == NULL ? "nothing" : got,
             wanted == NULL ? "?" : wanted);
    free(wanted);
    free(got);
    return false;
}

static json_t *pattern_of(const char *format, va_list arguments) {
    char *text = NULL;
    json_error_t error;
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    json_t *pattern = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (pattern == NULL)
        fail_msg("pattern %s: %s", text, error.text);
    free(text);
    return pattern;
}

json_t *mt_json_pattern(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    json_t *pattern = pattern_of(format, arguments);
    va_end(arguments);
    return pattern;
}

void mt_expect_at(const json_t *value, const char *file, int line, const char *format, ...) {
    char where[400] = "";
    va_list arguments;
    va_start(arguments, format);
    json_t *pattern = pattern_of(format, arguments);
    va_end(arguments);
    bool matches = mt_json_matches(value, pattern, where, sizeof where);
    if (!matches) {
        char *got = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        char *wanted = json_dumps(pattern, JSON_ENCODE_ANY | JSON_COMPACT);
        print_error("%s\n  got    %s\n  wanted %s\n", where, got == NULL ? "nothing" : got, wanted);
        free(got);
        free(wanted);
    }
    json_decref(pattern);
    if (!matches)
        _fail(file, line);
}

static const json_t *member_of(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (value == NULL) {
        char *text = json_dumps(object, JSON_ENCODE_ANY | JSON_COMPACT);
        print_error("no member %s in %s\n", name, text == NULL ? "nothing" : text);
        free(text);
        fail();
    }
    return value;
}

long long mt_int(const json_t *object, const char *name) {
    const json_t *value = member_of(object, name);
    if (!json_is_integer(value))
        fail_msg("%s is no integer", name);
    return json_integer_value(value);
}

const char *mt_str(const json_t *object, const char *name) {
    const json_t *value = member_of(object, name);
    if (!json_is_string(value) && !json_is_null(value))
        fail_msg("%s is no text", name);
    return json_string_value(value);
}

bool mt_bool(const json_t *object, const char *name) {
    const json_t *value = member_of(object, name);
    if (!json_is_boolean(value))
        fail_msg("%s is no boolean", name);
    return json_is_true(value);
}
