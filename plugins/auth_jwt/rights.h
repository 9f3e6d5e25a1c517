/* rights.h - what session patterns of a token allow. Pure. */
#ifndef JWT_RIGHTS_H
#define JWT_RIGHTS_H

#include "settings.h"

/* Where the patterns stand in the claims of a principal or of an end user:
 * {"auth_jwt":{"sessions":["team-42-*"],"until":1790000000000}}; until: Unix time in ms, 0: for
 * ever. */
#define JWT_RIGHTS_MEMBER "auth_jwt"
#define JWT_RIGHTS_SESSIONS "sessions"
#define JWT_RIGHTS_UNTIL "until"

#define JWT_RIGHTS_CACHE_MS 60000 /* no verdict is remembered for longer */

/* Each of the two claims (JSON, may be NULL) that carries patterns must allow the session. The
 * verdict is ALLOW, DENY or DEFER: nothing here is ours to decide. A denial's sentence is written
 * to `sentence`, to which the decision then points. `now_ms`: Unix time. */
enum muster_verdict jwt_rights(const struct jwt_settings *settings, const char *of_principal,
                               const char *of_end_user, enum muster_action action,
                               const char *session, uint64_t now_ms,
                               struct muster_decision *decision, char *sentence, size_t room);

#endif
