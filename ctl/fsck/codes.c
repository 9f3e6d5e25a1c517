#include "fsck/codes.h"

const struct mu_code_info mu_code_infos[MU_CODE_COUNT] = {
#define MU_CODE_INFO(name, invariant, waits, mend) {invariant, waits, mend},
    MU_CODES(MU_CODE_INFO)
#undef MU_CODE_INFO
};

_Static_assert(MU_CODE_COUNT <= 64, "codes are bits of one number");

uint64_t mu_codes_waiting(void) {
    uint64_t bits = 0;
    for (int code = 0; code < MU_CODE_COUNT; code++) {
        bits |= mu_code_infos[code].waits ? MU_BIT(code) : 0;
    }
    return bits;
}
