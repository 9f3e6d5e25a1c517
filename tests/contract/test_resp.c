/* The RESP door keeps the contract of transports. */
#include "lib/test.h"

#include "contract/doors/resp.h"

int main(void) {
    return mt_contract_run(&mt_door_resp);
}
