#include "fsck/text.h"

#include <string.h>

#include "ask.h"
#include "base/ids.h"

#define PRIORITY_MAX 1023

static bool literal(struct mu_slice *left, const char *text) {
    size_t length = strlen(text);
    if (left->length < length || memcmp(left->at, text, length) != 0) {
        return false;
    }
    left->at += length;
    left->length -= length;
    return true;
}

/* An id up to the quotation mark, which is taken, too. */
static bool quoted_id(struct mu_slice *left, const char *before, struct mu_slice *out) {
    if (!literal(left, before)) {
        return false;
    }
    const char *quote = memchr(left->at, '"', left->length);
    if (quote == NULL || !mu_id_valid(left->at, (size_t)(quote - left->at))) {
        return false;
    }
    out->at = left->at;
    out->length = (size_t)(quote - left->at);
    left->at += out->length + 1;
    left->length -= out->length + 1;
    return true;
}

static bool number(struct mu_slice *left, const char *before, uint64_t *out) {
    size_t length = 0;
    if (!literal(left, before)) {
        return false;
    }
    while (length < left->length && left->at[length] >= '0' && left->at[length] <= '9') {
        length++;
    }
    if (!mu_parse_whole(left->at, length, out)) {
        return false;
    }
    left->at += length;
    left->length -= length;
    return true;
}

/* What stands only where it differs from the default. */
static bool options(struct mu_slice *left, struct mu_member *member, const char **wrong) {
    uint64_t size = 0;
    if (literal(left, ",\"priority\":")) {
        bool negative = literal(left, "-");
        if (!number(left, "", &size) || size > PRIORITY_MAX || size == 0) {
            *wrong = "its priority is no whole number from -1023 to 1023 other than 0";
            return false;
        }
        member->priority = negative ? -(int)size : (int)size;
    }
    member->leads_never = literal(left, ",\"lead\":false");
    member->away = literal(left, ",\"away\":true");
    if (member->away && !member->leads_never && !number(left, ",\"rank\":", &member->rank)) {
        *wrong = "it is away and keeps no rank";
        return false;
    }
    return true;
}

bool mu_member_parse(const char *text, size_t length, struct mu_member *member,
                     const char **wrong) {
    struct mu_slice left = {text, length};
    memset(member, 0, sizeof *member);
    member->user.at = "";
    if (!quoted_id(&left, "{\"connection\":\"", &member->connection)) {
        *wrong = "it does not begin with its connection";
    } else if (!quoted_id(&left, ",\"instance\":\"", &member->instance)) {
        *wrong = "it names no instance";
    } else if (!quoted_id(&left, ",\"incarnation\":\"", &member->incarnation)) {
        *wrong = "it names no incarnation";
    } else if (left.length > 8 && memcmp(left.at, ",\"user\":", 8) == 0 &&
               !quoted_id(&left, ",\"user\":\"", &member->user)) {
        *wrong = "its user is no id";
    } else if (!number(&left, ",\"joined_at\":", &member->joined_at)) {
        *wrong = "its joined_at is no number";
    } else if (!options(&left, member, wrong)) {
        /* said already */
    } else if (!literal(&left, ",\"profile\":")) {
        *wrong = "no profile follows, or something unknown stands before it";
    } else if (left.length < 3 || left.at[left.length - 1] != '}' ||
               !mu_json_object_valid(left.at, left.length - 1)) {
        *wrong = "its profile is no strict JSON object";
    } else {
        return true;
    }
    return false;
}
