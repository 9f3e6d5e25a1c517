/* answer.h - what the service said. Pure.
 *
 * Strict: who answers differently from what docs/AUTHORIZATION.md says is not understood, and who
 * is not understood allows nothing.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <jansson.h>

#include "muster/types.h"

#define HTTP_ROLES_MAX 64

enum http_purpose { HTTP_AUTHORIZE, HTTP_CALLER, HTTP_END_USER };

struct http_answer {
    struct muster_decision decision; /* its texts live as long as this */
    struct muster_principal principal;
    const char *roles[HTTP_ROLES_MAX];
    char *claims; /* of decision.claims or principal.claims */
    json_t *root;
};

/* `cache_most_ms` caps what the service says about how long its answer holds. False: not
 * understood, and *wrong says why (static text, for the log); the answer is empty then. */
bool http_answer_read(struct http_answer *answer, enum http_purpose purpose, const char *text,
                      size_t length, uint64_t cache_most_ms, const char **wrong);
void http_answer_deinit(struct http_answer *answer);
/* "application/json", with or without parameters. NULL: it is none. */
bool http_is_json(const char *content_type);

#endif
