#include "fsck/text.h"

#include <string.h>

#include "ask.h"
#include "base/ids.h"

#define PRIORITY_MAX 1023

bool mu_slice_equal(struct mu_slice a, struct mu_slice b) {
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

int mu_slice_compare(struct mu_slice a, struct mu_slice b) {
    int order = memcmp(a.at, b.at, a.length < b.length ? a.length : b.length);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

bool mu_slice_is(struct mu_slice slice, const char *text) {
    return slice.length == strlen(text) && memcmp(slice.at, text, slice.length) == 0;
}

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

/* Up to the next slash, which is taken, too. */
static bool part(struct mu_slice *left, struct mu_slice *out) {
    const char *slash = left->length > 0 ? memchr(left->at, '/', left->length) : NULL;
    if (slash == NULL) {
        return false;
    }
    out->at = left->at;
    out->length = (size_t)(slash - left->at);
    left->at += out->length + 1;
    left->length -= out->length + 1;
    return true;
}

static bool sessions_valid(struct mu_slice sessions) {
    struct mu_slice session;
    if (sessions.length > 0 && sessions.at[sessions.length - 1] == ',') {
        return false;
    }
    while (mu_record_next(&sessions, &session)) {
        if (!mu_id_valid(session.at, session.length)) {
            return false;
        }
    }
    return true;
}

bool mu_record_parse(const char *text, size_t length, struct mu_record *record,
                     const char **wrong) {
    enum { CONNECTED, USER, TTL, UNTIL, SECRET, RESUMED, SESSIONS, PARTS };
    struct mu_slice left = {text, length};
    struct mu_slice parts[PARTS];
    uint64_t ignored = 0;
    for (size_t i = 0; i < PARTS; i++) {
        if (!part(&left, &parts[i])) {
            *wrong = "it has not its eight parts";
            return false;
        }
    }
    record->user = parts[USER];
    record->sessions = parts[SESSIONS];
    if (!mu_parse_whole(parts[CONNECTED].at, parts[CONNECTED].length, &record->connected_at)) {
        *wrong = "connected_at is no number";
    } else if (record->user.length > 0 && !mu_id_valid(record->user.at, record->user.length)) {
        *wrong = "its user is no id";
    } else if (parts[TTL].length > 0 &&
               !mu_parse_whole(parts[TTL].at, parts[TTL].length, &ignored)) {
        *wrong = "its ttl is no number";
    } else if (parts[UNTIL].length > 0 &&
               !mu_parse_whole(parts[UNTIL].at, parts[UNTIL].length, &ignored)) {
        *wrong = "its until is no number";
    } else if (!sessions_valid(record->sessions)) {
        *wrong = "its list of sessions holds something that is no id";
    } else if (!mu_json_object_valid(left.at, left.length)) {
        *wrong = "its profile is no strict JSON object";
    } else {
        return true;
    }
    return false;
}

bool mu_record_next(struct mu_slice *sessions, struct mu_slice *session) {
    if (sessions->length == 0) {
        return false;
    }
    const char *comma = memchr(sessions->at, ',', sessions->length);
    session->at = sessions->at;
    session->length = comma != NULL ? (size_t)(comma - sessions->at) : sessions->length;
    size_t taken = session->length + (comma != NULL);
    sessions->at += taken;
    sessions->length -= taken;
    return true;
}

bool mu_record_lists(const struct mu_record *record, const char *session) {
    struct mu_slice left = record->sessions;
    struct mu_slice one;
    while (mu_record_next(&left, &one)) {
        if (mu_slice_is(one, session)) {
            return true;
        }
    }
    return false;
}
