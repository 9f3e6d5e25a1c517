#include "each_instance.h"

#include <stdlib.h>

#define BATCH 500

void mu_each_instance(struct mu_ctl *ctl,
                      void (*each)(void *context, const struct mu_instance_look *look),
                      void *context) {
    const char *ns = ctl->name_space;
    redisReply *list = mu_ask(ctl, "ZRANGE {%s}:instances 0 -1 WITHSCORES", ns);
    size_t count = mu_reply_count(list) / 2;

    for (size_t from = 0; from < count && !ctl->lost; from += BATCH) {
        size_t to = from + BATCH < count ? from + BATCH : count;
        for (size_t i = from; i < to; i++) {
            const redisReply *id = list->element[2 * i];
            size_t length = (size_t)id->len;
            mu_send(ctl, "HMGET {%s}:instance:%b incarnation state draining started_at meta", ns,
                    id->str, length);
            mu_send(ctl, "HLEN {%s}:instance:%b:connections", ns, id->str, length);
            mu_send(ctl, "SCARD {%s}:instance:%b:leads", ns, id->str, length);
        }
        for (size_t i = from; i < to; i++) {
            redisReply *fields = mu_receive(ctl);
            struct mu_instance_look look = {
                .id = list->element[2 * i],
                .heartbeat = mu_reply_number(list->element[2 * i + 1], 0),
                .fields = fields,
            };
            look.connections = mu_receive_number(ctl);
            look.leads = mu_receive_number(ctl);
            each(context, &look);
            freeReplyObject(fields);
        }
    }
    freeReplyObject(list);
}
