/* door.h - a door of musterd from outside: a request, and its answer waited for.
 *
 * The RESP door (resp.c): a connection to the address of ctl->door - AUTH, when there is a token -
 * the operation as a command. The pub/sub door (pubsub.c): a second connection to Redis subscribes
 * an inbox - the request is published with it as reply_to - the answer comes in on it.
 *
 * Ways to fail, each said on stderr: nobody listens, or nobody is subscribed to requests; no answer
 * until --timeout (a pub/sub door answers nobody whose inbox is not its own); the connection is
 * lost
 * - all of them are MU_CTL_UNREACHABLE. An answer that is an error is MU_CTL_NO.
 */
#ifndef MU_CTL_VIA_DOOR_H
#define MU_CTL_VIA_DOOR_H

#include "base/buffer.h"
#include "base/ids.h"
#include "ctl.h"

enum mu_via_kind { MU_VIA_RESP, MU_VIA_PUBSUB };

struct mu_via {
    struct mu_ctl *ctl;
    enum mu_via_kind kind;
    redisContext *connection; /* owned: to the door, or to Redis for the inbox */
    struct mu_buffer token;   /* empty: none */
    char inbox[MU_ID_SIZE];   /* pubsub: whose inbox is subscribed */
};

/* Reads the token and connects. `quiet`: that nobody listens at the RESP door is not said. For
 * pubsub the inbox is --instance; without it, `instance` when that is not NULL and there is no
 * token; else a fresh random one, which is answered where requests need not be authorized, and to
 * operators. mu_via_close() in every case. */
enum mu_ctl_exit mu_via_open(struct mu_via *via, struct mu_ctl *ctl, enum mu_via_kind kind,
                             const char *instance, bool quiet);
void mu_via_close(struct mu_via *via);

/* Asks and waits. MU_CTL_FINE: `json` holds the very bytes of the answer. */
enum mu_ctl_exit mu_via_ask(struct mu_via *via, const char *operation, size_t count,
                            const char *const *arguments, struct mu_buffer *json);

/* The command of ctl->options, through an open door. */
enum mu_ctl_exit mu_ctl_via(struct mu_via *via);
/* Of a call that writes: the instance that it is of; else NULL. */
const char *mu_via_instance(const struct mu_ctl_options *options);

/* ---- what the two doors do; not for others ---- */

enum mu_ctl_exit mu_via_say(enum mu_ctl_exit status, const char *text);
enum mu_ctl_exit mu_via_resp_open(struct mu_via *via, bool quiet);
enum mu_ctl_exit mu_via_resp_ask(struct mu_via *via, const char *operation, size_t count,
                                 const char *const *arguments, struct mu_buffer *json);
enum mu_ctl_exit mu_via_pubsub_open(struct mu_via *via, const char *instance);
enum mu_ctl_exit mu_via_pubsub_ask(struct mu_via *via, const char *operation, size_t count,
                                   const char *const *arguments, struct mu_buffer *json);

#endif
