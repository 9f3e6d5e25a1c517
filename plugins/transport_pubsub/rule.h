/* rule.h - into whose inbox an answer may be published.
 *
 * The daemon publishes with rights that its requesters do not have, so nobody may choose the
 * channel freely: an answer goes to the inbox of the requester's own instance and nowhere else.
 */
#ifndef PUBSUB_RULE_H
#define PUBSUB_RULE_H

#include "message.h"

/* `principal` NULL: anonymous, or not known yet.
 *   bound to an instance   that instance's inbox
 *   an operator, unbound   any inbox
 *   anybody else           the inbox of the instance that the request is of: the instance argument
 *                          of an operation that writes and has one, else the field `instance`;
 *                          when both are there they must be equal
 * PUBSUB_ACCEPTED, PUBSUB_NO_INSTANCE or PUBSUB_FOREIGN_REPLY_TO. `operations` is the table of the
 * host. */
enum pubsub_refusal pubsub_rule(const struct pubsub_message *message,
                                const struct muster_principal *principal,
                                const struct muster_operation_info *operations, size_t count);

#endif
