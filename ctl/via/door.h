/* door.h - the pub/sub door from outside: a request published, its answer waited for.
 *
 * The happy path: a second connection subscribes an inbox - the request is published with it as
 * reply_to - the answer comes in on it.
 *
 * Ways to fail, each said on stderr: nobody is subscribed to requests, so no daemon coordinates; no
 * answer until --timeout (a daemon answers nobody whose inbox is not its own); Redis is lost - all
 * three are MU_CTL_UNREACHABLE. An answer that is an error is MU_CTL_NO.
 */
#ifndef MU_CTL_VIA_DOOR_H
#define MU_CTL_VIA_DOOR_H

#include "base/buffer.h"
#include "base/ids.h"
#include "ctl.h"

struct mu_via {
    struct mu_ctl *ctl;
    redisContext *subscriber; /* owned */
    struct mu_buffer token;   /* empty: none */
    char inbox[MU_ID_SIZE];   /* whose inbox is subscribed */
};

/* Reads the token and subscribes. The inbox is --instance; without it, `instance` when that is not
 * NULL and there is no token; else a fresh random one, which is answered where requests need not be
 * authorized, and to operators. mu_via_close() in every case. */
enum mu_ctl_exit mu_via_open(struct mu_via *via, struct mu_ctl *ctl, const char *instance);
void mu_via_close(struct mu_via *via);

/* Asks and waits. MU_CTL_FINE: `json` holds the very bytes of the answer. */
enum mu_ctl_exit mu_via_ask(struct mu_via *via, const char *operation, size_t count,
                            const char *const *arguments, struct mu_buffer *json);

/* The command of ctl->options, through the door. */
enum mu_ctl_exit mu_ctl_via(struct mu_ctl *ctl);

#endif
