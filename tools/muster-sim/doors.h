/* doors.h - where the RESP doors are that an instance may go to. */
#ifndef MU_SIM_DOORS_H
#define MU_SIM_DOORS_H

#include <stddef.h>

#include "base/error.h"
#include "redis/address.h"

struct mu_sim_doors {
    struct mu_redis_address *addresses; /* owned */
    size_t count;
};

/* Reads `ADDRESS[,ADDRESS…]`, each as mu_redis_address_parse() takes it, in place of what `doors`
 * held. BAD_REQUEST with a sentence; `doors` is to be deinited either way. */
enum muster_status mu_sim_doors_read(struct mu_sim_doors *doors, const char *list,
                                     struct mu_error *error);
/* The token for all whose address has no password of its own. */
void mu_sim_doors_set_token(struct mu_sim_doors *doors, const char *token);
void mu_sim_doors_deinit(struct mu_sim_doors *doors);

#endif
