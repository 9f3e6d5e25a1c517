/* resp.h - the RESP door as a client of the contract. */
#ifndef MT_DOOR_RESP_H
#define MT_DOOR_RESP_H

#include "contract/contract.h"

extern const struct mt_door mt_door_resp;

#endif
