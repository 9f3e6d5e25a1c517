/* jwt.h - a stand with auth_jwt: its file of keys, and requests of which each brings its own token.
 */
#ifndef MT_JWT_H
#define MT_JWT_H

#include <sys/types.h>

#include "contract/contract.h"
#include "tokens/tokens.h"

#define MT_JWT_PLUGIN MUSTER_BUILD_DIR "/plugins/auth_jwt.so"

struct mt_jwt {
    struct mt_stand *stand;
    const char *path; /* of the file of keys */
    const char *set[8];
};

/* Replaces the file in one step by this text, which it frees. */
void mt_jwt_write(const struct mt_jwt *jwt, char *jwks, mode_t mode);
/* A stand on `door`; `more` goes into the plugin's configuration behind `jwks`, and may be "".
 * `fallback` is authorization.default. `jwks` as above. */
void mt_jwt_create(struct mt_jwt *jwt, const struct mt_door *door, char *jwks, const char *more,
                   const char *fallback);
void mt_jwt_destroy(struct mt_jwt *jwt);

/* One request with a token of its own (NULL: none): what comes back. The sentence of an error, or
 * the JSON, lives as long as the stand. */
#define mt_jwt_ask(jwt, token, status, operation, ...)                                             \
    mt_jwt_ask_at((jwt), __LINE__, (token), (status), (operation),                                 \
                  (const char *const[]){__VA_ARGS__, NULL})
const char *mt_jwt_ask_at(const struct mt_jwt *jwt, int line, const char *token,
                          enum muster_status status, const char *operation,
                          const char *const texts[]);

#endif
