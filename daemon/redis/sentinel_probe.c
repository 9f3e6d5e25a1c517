#include "redis/sentinel_probe.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "redis/link.h"
#include "redis/sentinel_choice.h"

struct mu_probe {
    struct mu_link *link;
    struct mu_probe_options options; /* done: NULL once it was called, or must not be */
};

static void finish(struct mu_probe *self, enum mu_probe_verdict verdict, const char *reason) {
    void (*done)(void *context, enum mu_probe_verdict verdict, const char *reason) =
        self->options.done;
    self->options.done = NULL;
    if (done != NULL) {
        done(self->options.context, verdict, reason);
    }
}

static void on_role(void *context, enum muster_status status, const redisReply *reply,
                    const struct mu_error *error) {
    struct mu_probe *self = context;
    if (status != MUSTER_OK) {
        finish(self, MU_PROBE_NOWHERE, error->text);
        return;
    }
    switch (mu_sentinel_read_role(reply)) {
    case MU_SENTINEL_MASTER:
    case MU_SENTINEL_SECRET:
        finish(self, MU_PROBE_MASTER, "");
        break;
    case MU_SENTINEL_OTHER:
        finish(self, MU_PROBE_OTHER, "it is no master");
        break;
    }
}

static void on_connected(void *context) {
    struct mu_probe *self = context;
    if (mu_link_prepare_command(self->link, 2, (const char *const[]){"INFO", "replication"}, NULL,
                                on_role, self) != MUSTER_OK) {
        finish(self, MU_PROBE_NOWHERE, "the connection has gone");
    }
}

static void on_down(void *context, const struct mu_error *reason) {
    finish(context, MU_PROBE_NOWHERE, reason->text);
}

struct mu_probe *mu_probe_create(uv_loop_t *loop, const struct mu_probe_options *options) {
    struct mu_probe *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->link = mu_link_create(loop, &(struct mu_link_options){
                                          .address = options->address,
                                          .client_name = options->client_name,
                                          .connect_timeout_ms = options->connect_timeout_ms,
                                          .command_timeout_ms = options->command_timeout_ms,
                                          .context = self,
                                          .on_connected = on_connected,
                                          .on_down = on_down,
                                      });
    return self;
}

static void closed(void *context) {
    free(context);
}

void mu_probe_end(struct mu_probe **probe) {
    struct mu_probe *self = *probe;
    *probe = NULL;
    if (self != NULL) {
        self->options.done = NULL;
        mu_link_close(&self->link, closed, self);
    }
}
