/* flush.c - `musterctl flush`: every daemon forgets the decisions of authorizers that it has
 * cached.
 *
 * Exit status 1: no daemon heard it. */
#include <inttypes.h>
#include <stdio.h>

#include "ask.h"
#include "ctl.h"

enum mu_ctl_exit mu_ctl_flush(struct mu_ctl *ctl) {
    redisReply *told =
        mu_ask(ctl, "PUBLISH {%s}:signal %s", ctl->name_space, "{\"signal\":\"flush-decisions\"}");
    int64_t daemons = mu_reply_number(told, -1);
    if (daemons < 0 && !ctl->lost) {
        fprintf(stderr, "musterctl: %s\n", mu_reply_text(told));
    } else if (!ctl->lost && ctl->options->json) {
        printf("{\"daemons\":%" PRId64 "}\n", daemons);
    } else if (!ctl->lost) {
        printf("%" PRId64 " daemon%s told\n", daemons, daemons == 1 ? "" : "s");
    }
    freeReplyObject(told);
    return ctl->lost ? MU_CTL_UNREACHABLE : daemons > 0 ? MU_CTL_FINE : MU_CTL_NO;
}
