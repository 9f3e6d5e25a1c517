/* operations.h - the table of operations (include/muster/types.h) as data. */
#ifndef MU_REGISTRY_OPERATIONS_H
#define MU_REGISTRY_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "muster/types.h"

/* MUSTER_OPERATIONS entries, in the order of the enum. */
extern const struct muster_operation_info mu_operations[MUSTER_OPERATIONS];

/* By name, in any case. False, and *operation untouched, when there is none. */
bool mu_operation_find(const char *name, size_t length, enum muster_operation *operation);

#endif
