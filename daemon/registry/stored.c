#include "registry/stored.h"

#include <string.h>

#include "base/ids.h"
#include "base/utf8.h"

/* Moves `at` behind a text, whose first quote is behind it already; NULL when it does not end. */
static const char *skip_text(const char *at, const char *end) {
    while (at < end) {
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x5d ? byte < 0x80 : byte > '"' && byte != '\\') {
            at++; /* nearly all of them */
            continue;
        }
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

bool mu_object_is_closed(const char *text, size_t length) {
    const char *end = text + length;
    char open[MU_OBJECT_DEPTH];
    size_t depth = 0;
    const char *at = text;
    bool begun = false;
    while (at && at < end) {
        unsigned char byte = (unsigned char)*at++;
        bool blank = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
        if (!blank && depth == 0 && (begun || byte != '{')) {
            return false;
        }
        if (byte == '{' || byte == '[') {
            if (depth == MU_OBJECT_DEPTH) {
                return false;
            }
            open[depth++] = byte == '{' ? '}' : ']';
            begun = true;
        } else if (byte == '}' || byte == ']') {
            if (depth == 0 || open[--depth] != (char)byte) {
                return false;
            }
        } else if (byte == '"') {
            at = skip_text(at, end);
        } else if (!blank && (byte < 0x20 || byte >= 0x7F)) {
            return false;
        }
    }
    return at && begun && depth == 0;
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

static bool expect(struct rest *rest, const char *text) {
    size_t length = strlen(text);
    if (rest->left < length || memcmp(rest->at, text, length) != 0) {
        return false;
    }
    rest->at += length;
    rest->left -= length;
    return true;
}

/* Up to `stop`, which is taken too. */
static bool until(struct rest *rest, char stop, struct muster_text *text) {
    const char *end = rest->left > 0 ? memchr(rest->at, stop, rest->left) : NULL;
    if (!end) {
        return false;
    }
    *text = (struct muster_text){rest->at, (size_t)(end - rest->at)};
    rest->left -= text->length + 1;
    rest->at = end + 1;
    return true;
}

static bool id_in_quotes(struct rest *rest, const char *before, struct muster_text *id) {
    return expect(rest, before) && until(rest, '"', id) && mu_id_valid(id->data, id->length);
}

/* joined_at, and what differs from the default: `,"priority":5,"lead":false,"away":true,"rank":N`.
 * Only names, numbers and literals, so no quote, brace or escape hides in them. */
static bool options(struct rest *rest, uint64_t *joined_at) {
    size_t digits = 0;
    while (digits < rest->left && rest->at[digits] >= '0' && rest->at[digits] <= '9') {
        digits++;
    }
    if (!mu_whole_number(rest->at, digits, joined_at)) {
        return false;
    }
    rest->at += digits;
    rest->left -= digits;
    struct muster_text name, value;
    while (!expect(rest, ",\"profile\":")) {
        size_t length = 0;
        if (!expect(rest, ",\"") || !until(rest, '"', &name) || !expect(rest, ":")) {
            return false;
        }
        while (length < rest->left && rest->at[length] != ',') {
            length++;
        }
        value = (struct muster_text){rest->at, length};
        for (size_t i = 0; i < length; i++) {
            bool plain = (value.data[i] >= '0' && value.data[i] <= '9') || value.data[i] == '-' ||
                         (value.data[i] >= 'a' && value.data[i] <= 'z');
            if (!plain) {
                return false;
            }
        }
        if (length == 0 || !mu_id_valid(name.data, name.length)) {
            return false;
        }
        rest->at += length;
        rest->left -= length;
    }
    return true;
}

bool mu_member_parse(const char *text, size_t length, struct mu_member *member) {
    struct rest rest = {text, length};
    *member = (struct mu_member){0};
    if (!id_in_quotes(&rest, "{\"connection\":\"", &member->connection) ||
        !id_in_quotes(&rest, ",\"instance\":\"", &member->instance) ||
        !id_in_quotes(&rest, ",\"incarnation\":\"", &member->incarnation)) {
        return false;
    }
    if (expect(&rest, ",\"user\":\"") && (!until(&rest, '"', &member->user) ||
                                          !mu_id_valid(member->user.data, member->user.length))) {
        return false;
    }
    if (!expect(&rest, ",\"joined_at\":") || !options(&rest, &member->joined_at) || rest.left < 1 ||
        rest.at[rest.left - 1] != '}') {
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
