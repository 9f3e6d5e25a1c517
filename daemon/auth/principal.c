#include "auth/principal.h"

#include <string.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/ids.h"

#define NAME_MAX_BYTES 256
#define ROLES_MAX 64
#define CLAIMS_MAX 16384

bool mu_principal_has_expired(const struct muster_principal *principal) {
    return principal->expires_at != 0 && mu_clock_realtime_ms() >= principal->expires_at;
}

/* Not an id of the model: an address of mail or a URL may name somebody as well. */
static bool is_name(const char *text) {
    size_t length = text != NULL ? strnlen(text, NAME_MAX_BYTES + 1) : 0;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return length > 0 && length <= NAME_MAX_BYTES;
}

bool mu_principal_is_valid(const struct muster_principal *principal) {
    if (principal == NULL || !is_name(principal->id) || principal->role_count > ROLES_MAX ||
        (principal->instance != NULL &&
         !mu_id_valid(principal->instance, strlen(principal->instance))) ||
        (principal->roles == NULL && principal->role_count > 0)) {
        return false;
    }
    for (size_t i = 0; i < principal->role_count; i++) {
        if (!is_name(principal->roles[i])) {
            return false;
        }
    }
    return true;
}

bool mu_claims_too_large(const char *claims) {
    return claims != NULL && strnlen(claims, CLAIMS_MAX + 1) > CLAIMS_MAX;
}

const char *mu_auth_action_name(enum muster_action action) {
    static const char *const names[] = {
#define NAME(name, text, covers) text,
        MUSTER_ACTION_TABLE(NAME)
#undef NAME
    };
    return (size_t)action < MUSTER_ACTIONS ? names[action] : "unknown";
}
