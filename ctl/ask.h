/* ask.h - synchronous and pipelined questions to Redis, and reading of its replies.
 *
 * When the connection breaks, that is said once on stderr, ctl->lost is set and every later call
 * returns NULL; a command then ends with MU_CTL_UNREACHABLE.
 */
#ifndef MU_CTL_ASK_H
#define MU_CTL_ASK_H

#include "ctl.h"

/* hiredis's format (%s, %b). An error reply is returned like any other. freeReplyObject(). */
redisReply *mu_ask(struct mu_ctl *ctl, const char *format, ...);
/* Pipelining: as many mu_receive() as mu_send(), at most some thousand small ones at a time. */
void mu_send(struct mu_ctl *ctl, const char *format, ...);
redisReply *mu_receive(struct mu_ctl *ctl);
/* The number in the next reply; 0 when there is none. */
int64_t mu_receive_number(struct mu_ctl *ctl);

/* After mu_send() of MULTI, `count` commands and EXEC: the array of their replies, among which may
 * be errors. A transaction that Redis refused as a whole counts as a lost connection: nothing that
 * is read after it could be believed. */
redisReply *mu_receive_multi(struct mu_ctl *ctl, size_t count);

/* All take NULL and replies of another type; then they give what stands for "nothing". */
const char *mu_reply_text(const redisReply *reply);                   /* "" */
const redisReply *mu_reply_at(const redisReply *reply, size_t index); /* NULL */
size_t mu_reply_count(const redisReply *reply);                       /* 0 */
bool mu_reply_is_text(const redisReply *reply);
/* An integer reply, or a text that is a whole number (a score); `otherwise` else. */
int64_t mu_reply_number(const redisReply *reply, int64_t otherwise);

/* A whole number from 0 to below 2^53, nothing before or behind it. */
bool mu_parse_whole(const char *text, size_t length, uint64_t *out);

/* Redis's time in ms; 0 when lost. */
int64_t mu_ask_now(struct mu_ctl *ctl);

#endif
