#include "registry/findings.h"

#include <string.h>

const struct mu_finding_info mu_finding_infos[] = {
#define MU_FINDING_INFO(code, invariant, waits, mends, how) {#code, invariant, waits, mends, how},
    MU_FINDINGS(MU_FINDING_INFO)
#undef MU_FINDING_INFO
};

const size_t mu_finding_count = sizeof mu_finding_infos / sizeof mu_finding_infos[0];

const struct mu_finding_info *mu_finding_info(const char *code) {
    for (size_t i = 0; i < mu_finding_count; i++) {
        if (strcmp(mu_finding_infos[i].code, code) == 0) {
            return &mu_finding_infos[i];
        }
    }
    return NULL;
}
