/* The example transport keeps the contract of transports. */
#include "lib/test.h"

#include "contract/doors/line.h"

int main(void) {
    return mt_contract_run(&mt_door_line);
}
