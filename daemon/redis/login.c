#include "redis/login.h"

#include <stdio.h>
#include <string.h>

#include "redis/command.h"

enum step { AUTH, SELECT, NAME, PING };

static void add_step(struct mu_login *login, enum step step, struct mu_buffer *out, size_t count,
                     const char *const *arguments) {
    login->steps[login->sent++] = (unsigned char)step;
    mu_command_append(out, count, arguments);
}

void mu_login_begin(struct mu_login *login, const struct mu_redis_address *address,
                    const char *client_name, struct mu_buffer *out) {
    memset(login, 0, sizeof *login);
    const char *password = address->password ? address->password : "";
    if (address->user) {
        add_step(login, AUTH, out, 3, (const char *const[]){"AUTH", address->user, password});
    } else if (address->password) {
        add_step(login, AUTH, out, 2, (const char *const[]){"AUTH", password});
    }
    if (address->database != 0) {
        char number[16];
        snprintf(number, sizeof number, "%u", address->database);
        add_step(login, SELECT, out, 2, (const char *const[]){"SELECT", number});
    }
    if (client_name) {
        add_step(login, NAME, out, 3, (const char *const[]){"CLIENT", "SETNAME", client_name});
    }
    add_step(login, PING, out, 1, (const char *const[]){"PING"});
}

static bool begins(const redisReply *reply, const char *word) {
    return strncmp(reply->str, word, strlen(word)) == 0;
}

enum muster_status mu_login_reply(struct mu_login *login, const redisReply *reply, bool *done,
                                  struct mu_error *error) {
    enum step step = login->steps[login->answered++];
    *done = login->answered == login->sent;
    if (reply->type == REDIS_REPLY_STATUS) {
        return MUSTER_OK;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "the log-in got an answer that Redis does not give");
    }
    if (begins(reply, "NOAUTH")) {
        return mu_error_set(error, MUSTER_UNAUTHENTICATED, "a password is needed: %s", reply->str);
    }
    switch (step) {
    case AUTH:
        return mu_error_set(error, MUSTER_UNAUTHENTICATED, "the log-in is refused: %s", reply->str);
    case SELECT:
        return mu_error_set(error, MUSTER_UNAVAILABLE, "the database cannot be selected: %s",
                            reply->str);
    case NAME:
        return MUSTER_OK; /* a name is a help for operators; an ACL may forbid it */
    case PING:
        if (begins(reply, "NOPERM")) {
            return MUSTER_OK; /* it speaks with us, that is enough */
        }
        return mu_error_set(error, MUSTER_UNAVAILABLE, "not ready: %s", reply->str);
    }
    return MUSTER_OK;
}
