#include "doors.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define MOST 64

static enum muster_status add(struct mu_sim_doors *doors, const char *url, struct mu_error *error) {
    if (doors->count == MOST)
        return mu_error_set(error, MUSTER_BAD_REQUEST, "more than %d addresses", MOST);
    enum muster_status status = mu_redis_address_parse(url, &doors->addresses[doors->count], error);
    if (status == MUSTER_OK)
        doors->count++;
    return status;
}

enum muster_status mu_sim_doors_read(struct mu_sim_doors *doors, const char *list,
                                     struct mu_error *error) {
    mu_sim_doors_deinit(doors);
    doors->addresses = mu_calloc(MOST, sizeof *doors->addresses);
    enum muster_status status;
    char *copy = mu_strdup(list);
    char *rest = copy;
    do {
        status = add(doors, strsep(&rest, ","), error);
    } while (status == MUSTER_OK && rest);
    explicit_bzero(copy, strlen(list)); /* there may be passwords in it */
    free(copy);
    return status;
}

void mu_sim_doors_set_token(struct mu_sim_doors *doors, const char *token) {
    for (size_t i = 0; i < doors->count; i++)
        if (!doors->addresses[i].password)
            doors->addresses[i].password = mu_strdup(token);
}

void mu_sim_doors_deinit(struct mu_sim_doors *doors) {
    for (size_t i = 0; i < doors->count; i++)
        mu_redis_address_deinit(&doors->addresses[i]);
    free(doors->addresses);
    *doors = (struct mu_sim_doors){NULL, 0};
}
