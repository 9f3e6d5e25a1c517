/* glob.h - patterns of rules: `*` stands for any bytes, also none; `{principal}`, `{instance}` and
 * `{user}` for what the question names, byte for byte; nothing else is special.
 *
 * The value may be a pattern too: who subscribes to all sessions that `room-*` matches asks with
 * that text, and `*` is no byte of an id. A rule that allows must cover all that the value can
 * stand for; a rule that denies need only touch some of it, or `*` would get past every denial. */
#ifndef RULES_GLOB_H
#define RULES_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "muster/status.h"

#define RULES_GLOB_MAX 256       /* bytes of a pattern */
#define RULES_VALUE_MAX 512      /* bytes of a value; a longer one is covered by nothing */
#define RULES_PLACEHOLDERS_MAX 4 /* in one pattern */

struct rules_glob {
    char *code; /* owned; control characters stand for `*` and the placeholders */
};

enum rules_alphabet {
    RULES_OF_NAMES, /* any printable text; braces are braces */
    RULES_OF_IDS,   /* ids and placeholders: another byte could never match */
};

/* What the placeholders stand for. NULL: nothing, and a pattern that wants it does not match. */
struct rules_names {
    const char *principal;
    const char *instance;
    const char *user;
};

enum rules_reach {
    RULES_COVERS,  /* all that the value stands for */
    RULES_TOUCHES, /* some of it */
};

/* BAD_REQUEST: *wrong says what is wrong and what is allowed; static storage. */
enum muster_status rules_glob_read(struct rules_glob *glob, enum rules_alphabet alphabet,
                                   const char *text, const char **wrong);
void rules_glob_deinit(struct rules_glob *glob);

/* `names` may be NULL for a pattern of RULES_OF_NAMES. */
bool rules_glob_match(const struct rules_glob *glob, const struct rules_names *names,
                      const char *value, enum rules_reach reach);

#endif
