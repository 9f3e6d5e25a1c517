/* transport_pubsub keeps the contract of transports. */
#include "lib/test.h"

#include "contract/doors/pubsub.h"

int main(void) {
    return mt_contract_run(&mt_door_pubsub);
}
