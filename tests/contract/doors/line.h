/* line.h - the example door of lines as a client of the contract. */
#ifndef MT_DOOR_LINE_H
#define MT_DOOR_LINE_H

#include "contract/contract.h"

extern const struct mt_door mt_door_line;

#endif
