/* token.h - one token: is it one, and does it hold? Pure; any thread, with keys and settings that
 * somebody holds references to. */
#ifndef JWT_TOKEN_H
#define JWT_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "keys.h"
#include "refusal.h"
#include "settings.h"

/* Looks like a signed or encrypted token in its compact form: base64url of what begins a JSON
 * object, and at least two dots; or a whole header and one dot, if it was cut off. Everything else
 * is somebody else's. Reads no more than a header, of however many bytes. */
bool jwt_token_is_one(const char *token, size_t length);

/* Verifies it. On JWT_ACCEPTED, and only then, *identity must be given to jwt_identity_deinit().
 * `requested` and `now_ms` are those of jwt_identity_read(). */
enum jwt_refusal jwt_token_verify(const struct jwt_settings *settings, const struct jwt_keys *keys,
                                  const char *token, size_t length, enum muster_purpose purpose,
                                  const char *requested, uint64_t now_ms,
                                  struct jwt_identity *identity);

#endif
