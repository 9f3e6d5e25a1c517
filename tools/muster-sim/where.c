#include "where.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "redis/sentinel.h"

struct mu_where {
    struct mu_where_options options;
    struct mu_sentinel *sentinel;   /* NULL: the addresses were given */
    struct mu_redis_address master; /* that it named last */
};

bool mu_where_is_door(const struct mu_sim_options *options) {
    return options->doors.count > 0;
}

static void on_master(void *context, const struct mu_redis_address *address) {
    struct mu_where *self = context;
    char text[320];
    json_t *fields = json_object();
    mu_redis_address_describe(address, text, sizeof text);
    json_object_set_new(fields, "address", json_string(text));
    mu_journal_line(self->options.journal, "master", fields);
    mu_redis_address_deinit(&self->master);
    mu_redis_address_copy(&self->master, address);
    self->options.on_place(self->options.context, &self->master, 1);
}

struct mu_where *mu_where_create(const struct mu_where_options *options) {
    const struct mu_sim_options *given = options->options;
    struct mu_where *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    const struct mu_sentinel_options sentinel = {
        .master = given->master,
        .places = &given->places,
        .client_name = "muster-sim",
        .context = self,
        .on_master = on_master,
    };
    if (given->places.count > 0)
        self->sentinel = mu_sentinel_create(options->loop, &sentinel);
    else if (mu_where_is_door(given))
        options->on_place(options->context, given->doors.addresses, given->doors.count);
    else
        options->on_place(options->context, &given->address, 1);
    return self;
}

void mu_where_tell(struct mu_where *self, bool up) {
    if (self && self->sentinel) {
        if (up)
            mu_sentinel_fine(self->sentinel);
        else
            mu_sentinel_lost(self->sentinel);
    }
}

void mu_where_close(struct mu_where *self) {
    if (self->sentinel)
        mu_sentinel_close(&self->sentinel, NULL, NULL);
}

void mu_where_destroy(struct mu_where **where) {
    mu_redis_address_deinit(&(*where)->master);
    free(*where);
    *where = NULL;
}
