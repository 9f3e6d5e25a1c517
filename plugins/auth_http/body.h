/* body.h - a question as JSON. Pure.
 *
 * The body may hold a credential: whoever gets one gives it back to http_body_wipe(). What jansson
 * and libcurl copy on the way is overwritten when they free it, as all that musterd frees.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "muster/types.h"

struct http_body {
    char *data; /* not NUL-terminated */
    size_t length;
};

/* False: a text is no UTF-8, the claims are no JSON object, or there is no memory; then there is no
 * body. */
bool http_body_authorize(struct http_body *body, const struct muster_principal *principal,
                         enum muster_action action, const struct muster_resource *resource);
bool http_body_authenticate(struct http_body *body, const struct muster_credentials *credentials);
/* Overwrites and frees it. An empty one is fine. */
void http_body_wipe(struct http_body *body);

/* "session.enter". Static storage; NULL: there is no such action. */
const char *http_action_name(enum muster_action action);

#endif
