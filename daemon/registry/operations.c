#include "registry/operations.h"

#include <string.h>
#include <strings.h>

#define ENTRY(name, arguments, least, action, writes, usage)                                       \
    {#name,                                                                                        \
     arguments,                                                                                    \
     least,                                                                                        \
     sizeof(arguments) > 1 &&                                                                      \
             (arguments)[sizeof(arguments) > 1 ? sizeof(arguments) - 2 : 0] == '*'                 \
         ? MUSTER_ARGUMENTS_MAX                                                                    \
         : sizeof(arguments) - 1,                                                                  \
     MUSTER_ACTION_##action,                                                                       \
     writes,                                                                                       \
     usage},

const struct muster_operation_info mu_operations[MUSTER_OPERATIONS] = {
    MUSTER_OPERATION_TABLE(ENTRY)};

bool mu_operation_find(const char *name, size_t length, enum muster_operation *operation) {
    for (size_t i = 0; i < MUSTER_OPERATIONS; i++) {
        if (strlen(mu_operations[i].name) == length &&
            strncasecmp(mu_operations[i].name, name, length) == 0) {
            *operation = (enum muster_operation)i;
            return true;
        }
    }
    return false;
}
