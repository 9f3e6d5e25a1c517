/* login.h - the batch that makes a fresh stream ours, and its replies. Private to daemon/redis. */
#ifndef MU_REDIS_LOGIN_H
#define MU_REDIS_LOGIN_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "redis/address.h"

enum { MU_LOGIN_STEPS = 4 };

struct mu_login {
    unsigned char steps[MU_LOGIN_STEPS]; /* what was sent, in order */
    unsigned sent;
    unsigned answered;
};

/* Appends AUTH (with a user or password), SELECT (other than 0), CLIENT SETNAME (with a name)
 * and PING: whoever answers that is a Redis that is ready and lets us in. */
void mu_login_begin(struct mu_login *login, const struct mu_redis_address *address,
                    const char *client_name, struct mu_buffer *out);

/* One reply. Sets `done` after the last. An error is the end of the attempt. */
enum muster_status mu_login_reply(struct mu_login *login, const redisReply *reply, bool *done,
                                  struct mu_error *error) MU_WARN_UNUSED;

#endif
