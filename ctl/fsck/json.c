/* json.c - is this one strict JSON object? A recursive descent that keeps nothing. */
#include <string.h>

#include "base/utf8.h"
#include "fsck/text.h"

#define DEPTH_MAX 32

struct scan {
    const unsigned char *at;
    const unsigned char *end;
};

static bool value(struct scan *scan, int depth);

static void blanks(struct scan *scan) {
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
}

static bool take(struct scan *scan, char byte) {
    if (scan->at < scan->end && *scan->at == (unsigned char)byte) {
        scan->at++;
        return true;
    }
    return false;
}

static bool word(struct scan *scan, const char *text) {
    size_t length = strlen(text);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0) {
        return false;
    }
    scan->at += length;
    return true;
}

static size_t digits(struct scan *scan) {
    const unsigned char *from = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        scan->at++;
    }
    return (size_t)(scan->at - from);
}

static bool number(struct scan *scan) {
    take(scan, '-');
    if (!take(scan, '0') && digits(scan) == 0) {
        return false;
    }
    if (take(scan, '.') && digits(scan) == 0) {
        return false;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+')) {
            take(scan, '-');
        }
        return digits(scan) > 0;
    }
    return true;
}

/* The four hexadecimal digits of an escape; -1 when there are none. */
static int unit(struct scan *scan) {
    int code = 0;
    if (scan->end - scan->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        unsigned char byte = *scan->at++;
        int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                    : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                    : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                 : -1;
        if (digit < 0) {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

static bool escape(struct scan *scan) {
    if (scan->at >= scan->end) {
        return false;
    }
    unsigned char byte = *scan->at++;
    if (byte != 'u') {
        return strchr("\"\\/bfnrt", byte) != NULL && byte != '\0';
    }
    int code = unit(scan);
    if (code >= 0xd800 && code <= 0xdbff) {
        int low = word(scan, "\\u") ? unit(scan) : -1;
        return low >= 0xdc00 && low <= 0xdfff;
    }
    return code >= 0 && !(code >= 0xdc00 && code <= 0xdfff);
}

static bool string(struct scan *scan) {
    if (!take(scan, '"')) {
        return false;
    }
    while (scan->at < scan->end && *scan->at != '"') {
        if (*scan->at < 0x20) {
            return false;
        }
        if (*scan->at == '\\') {
            scan->at++;
            if (!escape(scan)) {
                return false;
            }
            continue;
        }
        size_t length = mu_utf8_sequence(scan->at, (size_t)(scan->end - scan->at), NULL);
        if (length == 0) {
            return false;
        }
        scan->at += length;
    }
    return take(scan, '"');
}

static bool array(struct scan *scan, int depth) {
    blanks(scan);
    if (take(scan, ']')) {
        return true;
    }
    do {
        if (!value(scan, depth)) {
            return false;
        }
    } while (take(scan, ','));
    return take(scan, ']');
}

static bool object(struct scan *scan, int depth) {
    blanks(scan);
    if (take(scan, '}')) {
        return true;
    }
    do {
        blanks(scan);
        if (!string(scan)) {
            return false;
        }
        blanks(scan);
        if (!take(scan, ':') || !value(scan, depth)) {
            return false;
        }
    } while (take(scan, ','));
    return take(scan, '}');
}

/* With the blanks around it. */
static bool value(struct scan *scan, int depth) {
    bool fine = false;
    blanks(scan);
    if (take(scan, '{')) {
        fine = depth < DEPTH_MAX && object(scan, depth + 1);
    } else if (take(scan, '[')) {
        fine = depth < DEPTH_MAX && array(scan, depth + 1);
    } else if (scan->at < scan->end && *scan->at == '"') {
        fine = string(scan);
    } else {
        fine = word(scan, "true") || word(scan, "false") || word(scan, "null") || number(scan);
    }
    blanks(scan);
    return fine;
}

bool mu_json_object_valid(const char *text, size_t length) {
    struct scan scan = {.at = (const unsigned char *)text,
                        .end = (const unsigned char *)text + length};
    blanks(&scan);
    return scan.at < scan.end && *scan.at == '{' && value(&scan, 0) && scan.at == scan.end;
}
