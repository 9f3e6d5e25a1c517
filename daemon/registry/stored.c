#include "registry/stored.h"

#include <endian.h>
#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"

/* Bytes at the front of these eight that stand for themselves in a text: from 0x20 to 0x7F, no
 * quote, no backslash. All eight at once; a borrow may only reach bytes behind the first that does
 * not. */
static size_t plain_bytes(const char *at) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    bytes = le64toh(bytes);
    uint64_t others = (bytes - 0x20 * ones) | ((bytes ^ ('"' * ones)) - ones) |
                      ((bytes ^ ('\\' * ones)) - ones) | bytes;
    others &= 0x80 * ones;
    return others == 0 ? sizeof bytes : (size_t)__builtin_ctzll(others) / 8;
}

/* Moves `at` behind a text, whose first quote is behind it already; NULL when it does not end. */
static const char *skip_text(const char *at, const char *end) {
    while (at < end) {
        if (end - at >= 8) {
            size_t plain = plain_bytes(at);
            at += plain;
            if (plain == 8) {
                continue;
            }
        }
        unsigned char byte = (unsigned char)*at;
        if (byte == '"') {
            return at + 1;
        }
        if (byte < 0x20 || (byte == '\\' && ++at == end)) {
            return NULL;
        }
        if (byte < 0x80) {
            at++;
            continue;
        }
        size_t length = mu_utf8_sequence((const unsigned char *)at, (size_t)(end - at), NULL);
        if (length == 0) {
            return NULL;
        }
        at += length;
    }
    return NULL;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && is_blank(*at)) {
        at++;
    }
    return at;
}

bool mu_object_is_closed(const char *text, size_t length) {
    const char *end = text + length;
    char open[MU_OBJECT_DEPTH] = "}";
    size_t depth = 1;
    const char *at = skip_blanks(text, end);
    if (at == end || *at++ != '{') {
        return false;
    }
    while (at < end) {
        unsigned char byte = (unsigned char)*at++;
        if (byte == '"') {
            at = skip_text(at, end);
            if (!at) {
                return false;
            }
        } else if (byte == '{' || byte == '[') {
            if (depth == MU_OBJECT_DEPTH) {
                return false;
            }
            open[depth++] = byte == '{' ? '}' : ']';
        } else if (byte == '}' || byte == ']') {
            if (open[--depth] != (char)byte) {
                return false;
            }
            if (depth == 0) {
                return skip_blanks(at, end) == end;
            }
        } else if ((byte < 0x20 && !is_blank((char)byte)) || byte >= 0x7F) {
            return false;
        }
    }
    return false;
}

bool mu_whole_number(const char *text, size_t length, uint64_t *number) {
    uint64_t value = 0;
    if (length == 0 || length > 19) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *number = value;
    return true;
}

/* What is still to be read. */
struct rest {
    const char *at;
    size_t left;
};

static inline void skip(struct rest *rest, size_t count) {
    rest->at += count;
    rest->left -= count;
}

/* `text` is a literal, so that the compiler compares words. */
static inline bool expect(struct rest *rest, const char *text) {
    size_t length = strlen(text);
    if (rest->left < length || memcmp(rest->at, text, length) != 0) {
        return false;
    }
    skip(rest, length);
    return true;
}

/* Up to `stop`, which is taken too. */
static bool until(struct rest *rest, char stop, struct muster_text *text) {
    const char *end = rest->left > 0 ? memchr(rest->at, stop, rest->left) : NULL;
    if (!end) {
        return false;
    }
    *text = (struct muster_text){rest->at, (size_t)(end - rest->at)};
    skip(rest, text->length + 1);
    return true;
}

/* And the quote behind it. */
static bool id(struct rest *rest, struct muster_text *out) {
    size_t length = mu_id_span(rest->at, rest->left);
    if (length == 0 || length > MU_ID_MAX || length == rest->left || rest->at[length] != '"') {
        return false;
    }
    *out = (struct muster_text){rest->at, length};
    skip(rest, length + 1);
    return true;
}

/* As mu_whole_number(), up to what is no digit. */
static bool number(struct rest *rest, uint64_t *value) {
    const char *at = rest->at;
    const char *end = at + rest->left;
    uint64_t sum = 0;
    while (at < end && *at >= '0' && *at <= '9') {
        sum = sum * 10 + (uint64_t)(*at++ - '0');
    }
    size_t digits = (size_t)(at - rest->at);
    *value = sum;
    skip(rest, digits);
    return digits > 0 && digits <= 19;
}

/* What differs from the default: `"priority":5,"lead":false,"away":true,"rank":N`, and the name of
 * the profile. Only names, numbers and literals, so no quote, brace or escape hides in them. */
static bool options(struct rest *rest) {
    struct muster_text name;
    while (!expect(rest, ",\"profile\":")) {
        size_t length = 0;
        if (!expect(rest, ",\"") || !id(rest, &name) || !expect(rest, ":")) {
            return false;
        }
        while (length < rest->left && rest->at[length] != ',') {
            char byte = rest->at[length++];
            if (byte != '-' && (byte < '0' || byte > '9') && (byte < 'a' || byte > 'z')) {
                return false;
            }
        }
        if (length == 0) {
            return false;
        }
        skip(rest, length);
    }
    return true;
}

bool mu_member_parse(const char *text, size_t length, struct mu_member *member) {
    struct rest rest = {text, length};
    member->user = (struct muster_text){NULL, 0};
    if (!expect(&rest, "{\"connection\":\"") || !id(&rest, &member->connection) ||
        !expect(&rest, ",\"instance\":\"") || !id(&rest, &member->instance) ||
        !expect(&rest, ",\"incarnation\":\"") || !id(&rest, &member->incarnation)) {
        return false;
    }
    if (expect(&rest, ",\"user\":\"") && !id(&rest, &member->user)) {
        return false;
    }
    if (!expect(&rest, ",\"joined_at\":") || !number(&rest, &member->joined_at) ||
        !options(&rest) || rest.left < 1 || rest.at[rest.left - 1] != '}') {
        return false;
    }
    member->profile = (struct muster_text){rest.at, rest.left - 1};
    return mu_object_is_closed(member->profile.data, member->profile.length);
}

/* <user>, <user>:<holder> or <user>::<holder>; the user may be missing. */
static bool owners(const struct muster_text *part, struct mu_record *record) {
    const char *colon = memchr(part->data, ':', part->length);
    const char *end = part->data + part->length;
    record->user = (struct muster_text){part->data, part->length};
    if (colon != NULL) {
        const char *holder = colon + 1 < end && colon[1] == ':' ? colon + 2 : colon + 1;
        record->user.length = (size_t)(colon - part->data);
        record->holder = (struct muster_text){holder, (size_t)(end - holder)};
        if (!mu_id_valid(record->holder.data, record->holder.length)) {
            return false;
        }
    }
    return record->user.length == 0 || mu_id_valid(record->user.data, record->user.length);
}

bool mu_record_parse(const char *text, size_t length, struct mu_record *record) {
    enum { CONNECTED_AT, USER, TTL, UNTIL, SECRET, RESUMED, SESSIONS, PARTS };
    struct rest rest = {text, length};
    struct muster_text parts[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        if (!until(&rest, '/', &parts[i])) {
            return false;
        }
    }
    *record = (struct mu_record){.sessions = parts[SESSIONS], .profile = {rest.at, rest.left}};
    return mu_whole_number(parts[CONNECTED_AT].data, parts[CONNECTED_AT].length,
                           &record->connected_at) &&
           (parts[UNTIL].length == 0 ||
            mu_whole_number(parts[UNTIL].data, parts[UNTIL].length, &record->until)) &&
           owners(&parts[USER], record) &&
           mu_object_is_closed(record->profile.data, record->profile.length);
}
