#include "text.h"

#include <cjose/base64.h>
#include <stdlib.h>
#include <string.h>

/* ---- base64url ---- */

void jwt_wipe_free(char **bytes, size_t size) {
    if (*bytes != NULL) {
        explicit_bzero(*bytes, size);
        free(*bytes);
        *bytes = NULL;
    }
}

bool jwt_base64_is_text(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= '0' && byte <= '9') || byte == '-' || byte == '_')) {
            return false;
        }
    }
    return length % 4 != 1;
}

/* cjose is lenient (padding, stray bits): what encodes back to the same text was in the one form.
 */
static bool is_canonical(const char *text, size_t length, const uint8_t *bytes, size_t size) {
    char *again = NULL;
    size_t again_length = 0;
    if (!cjose_base64url_encode(bytes, size, &again, &again_length, NULL)) {
        return false;
    }
    bool same = again_length == length && memcmp(again, text, length) == 0;
    jwt_wipe_free(&again, again_length);
    return same;
}

bool jwt_base64_decode(const char *text, size_t length, char **bytes, size_t *size) {
    uint8_t *decoded = NULL;
    size_t decoded_size = 0;
    *bytes = NULL;
    *size = 0;
    /* cjose ends the process (an assert) when padding comes too early. */
    if (!jwt_base64_is_text(text, length) ||
        !cjose_base64url_decode(text, length, &decoded, &decoded_size, NULL)) {
        return false;
    }
    char *copy =
        is_canonical(text, length, decoded, decoded_size) ? malloc(decoded_size + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, decoded, decoded_size);
        copy[decoded_size] = '\0';
        *bytes = copy;
        *size = decoded_size;
    }
    explicit_bzero(decoded, decoded_size);
    free(decoded);
    return copy != NULL;
}

/* ---- JSON ---- */

enum jwt_json jwt_json_read(const char *text, size_t length, json_t **object) {
    json_error_t error = {0};
    enum jwt_json result = JWT_JSON_FINE;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        result =
            json_error_code(&error) == json_error_duplicate_key ? JWT_JSON_TWICE : JWT_JSON_BAD;
    } else if (!json_is_object(json)) {
        jwt_json_release(&json);
        result = JWT_JSON_BAD;
    }
    explicit_bzero(&error, sizeof error); /* it quotes the text */
    *object = json;
    return result;
}

/* jansson reads at most 2,048 levels. */
static void wipe(const json_t *json) { /* NOLINT(misc-no-recursion) */
    if (json_is_string(json)) {
        explicit_bzero((char *)(uintptr_t)json_string_value(json), json_string_length(json));
    } else if (json_is_array(json)) {
        for (size_t i = 0; i < json_array_size(json); i++) {
            wipe(json_array_get(json, i));
        }
    } else if (json_is_object(json)) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach((json_t *)(uintptr_t)json, name, value) {
            wipe(value);
        }
    }
}

void jwt_json_release(json_t **json) {
    if (*json != NULL) {
        wipe(*json);
        json_decref(*json);
        *json = NULL;
    }
}

const json_t *jwt_json_claim(const json_t *claims, const char *path) {
    const json_t *found = json_object_get(claims, path);
    while (found == NULL && json_is_object(claims)) {
        const char *dot = strchr(path, '.');
        if (dot == NULL) {
            return json_object_get(claims, path);
        }
        claims = json_object_getn(claims, path, (size_t)(dot - path));
        path = dot + 1;
    }
    return found;
}

/* ---- patterns and ids ---- */

bool jwt_match(const char *pattern, const char *value) {
    const char *star = NULL; /* the last `*` seen, and where its text ends for now */
    const char *end = NULL;
    while (*value != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            end = value;
        } else if (*pattern == *value) {
            pattern++;
            value++;
        } else if (star != NULL) {
            pattern = star + 1;
            value = ++end;
        } else {
            return false;
        }
    }
    pattern += strspn(pattern, "*");
    return *pattern == '\0';
}

static bool made_of(const char *text, size_t most, const char *signs) {
    size_t length = strnlen(text, most + 1);
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= '0' && byte <= '9') || strchr(signs, byte) != NULL)) {
            return false;
        }
    }
    return length >= 1 && length <= most;
}

bool jwt_is_id(const char *text) {
    return made_of(text, JWT_ID_MAX, "._~@|+=-");
}

bool jwt_is_pattern(const char *text) {
    return made_of(text, JWT_ID_MAX, "._~@|+=-*");
}

bool jwt_is_name(const char *text) {
    size_t length = strnlen(text, JWT_NAME_MAX + 1);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return length >= 1 && length <= JWT_NAME_MAX;
}
