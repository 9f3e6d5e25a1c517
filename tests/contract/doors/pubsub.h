/* pubsub.h - the pub/sub door as a client of the contract, and with a free hand over what it sends.
 */
#ifndef MT_DOOR_PUBSUB_H
#define MT_DOOR_PUBSUB_H

#include "contract/contract.h"

extern const struct mt_door mt_door_pubsub;

/* Another inbox than that of the instance. */
void mt_pubsub_reply_to(struct mt_client *client, const char *instance);
/* The JSON of a request, as send() would publish it; the caller frees it. */
char *mt_pubsub_message(struct mt_client *client, const struct mt_request *request, size_t *length);

#endif
