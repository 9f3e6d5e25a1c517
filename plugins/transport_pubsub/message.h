/* message.h - one message of the channel `request`, read strictly. */
#ifndef PUBSUB_MESSAGE_H
#define PUBSUB_MESSAGE_H

#include <stdint.h>

#include "muster/types.h"

#define PUBSUB_ID_MAX 128     /* bytes of an instance's id, and of a request's */
#define PUBSUB_TOKEN_MAX 8192 /* bytes; room for a signed token */
#define PUBSUB_DEPTH_MAX 32   /* of an argument that is an object */

/* Why a message is answered nowhere. */
enum pubsub_refusal {
    PUBSUB_ACCEPTED,
    PUBSUB_TOO_LARGE,        /* longer than max_message */
    PUBSUB_NOT_JSON,         /* or not strict, or no object */
    PUBSUB_NO_REPLY_TO,      /* or none that is an inbox of this namespace */
    PUBSUB_NO_INSTANCE,      /* an anonymous request that does not say whose it is */
    PUBSUB_FOREIGN_REPLY_TO, /* the inbox of somebody else */
    PUBSUB_REFUSALS
};

/* One block of memory, with all texts in it. */
struct pubsub_message {
    const char *id; /* as it stood in the message, with its quotes; "null" when it is no good */
    struct muster_text operation;
    struct muster_text token;         /* data NULL: none */
    char inbox[PUBSUB_ID_MAX + 1];    /* whose inbox `reply_to` is */
    char instance[PUBSUB_ID_MAX + 1]; /* field `instance`; empty: none */
    uint64_t timeout_ms;              /* 0: none given */
    struct muster_text *arguments;
    size_t count;
    size_t size; /* bytes of the block */
    /* What is wrong with a request that could be answered; MUSTER_OK: nothing. */
    enum muster_status fault;
    char sentence[160];
};

/* `prefix` is "{<namespace>}:inbox:". On PUBSUB_ACCEPTED *out is the caller's to free with
 * pubsub_message_free(), and may have a fault; otherwise it is NULL. */
enum pubsub_refusal pubsub_message_read(const char *payload, size_t length, const char *prefix,
                                        struct pubsub_message **out);
/* Overwrites the token: as soon as it is known who asks, nobody needs it. */
void pubsub_message_forget_token(struct pubsub_message *message);
/* Clears the pointer; NULL is fine. */
void pubsub_message_free(struct pubsub_message **message);

/* 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = - */
bool pubsub_id_valid(const char *text, size_t length);

#endif
