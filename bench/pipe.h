/* pipe.h - a connection to Redis that keeps a number of operations in flight.
 *
 * Baselines and muster's own functions go through this one driver, so pipelining, batching and
 * socket are the same for both. A broken connection and an error reply end the benchmark: figures
 * of refused calls are worth nothing.
 */
#ifndef MB_PIPE_H
#define MB_PIPE_H

#include <hiredis/hiredis.h>
#include <stddef.h>

struct mb_pipe;

/* Connects to a unix socket; retries for ten seconds while the server starts. */
struct mb_pipe *mb_pipe_open(const char *socket);
void mb_pipe_close(struct mb_pipe **pipe);
/* For what nothing here covers, when nothing is in flight. */
redisContext *mb_pipe_context(struct mb_pipe *pipe);

/* Appends one command; its words are texts, ended by NULL. Nothing is written yet. */
void mb_pipe_append(struct mb_pipe *pipe, const char *const words[]);
/*   MB_APPEND(pipe, "HSET", key, field, value);  */
#define MB_APPEND(pipe, ...) mb_pipe_append((pipe), (const char *const[]){__VA_ARGS__, NULL})

/* Runs `operations` of them, `depth` in flight. issue(pipe, index, context) appends the commands
 * of one operation, at least one; an operation is over with its last reply. Whatever was answered
 * is refilled at once and written together. Returns the seconds that it took. */
double mb_pipe_run(struct mb_pipe *pipe, size_t operations, size_t depth,
                   void (*issue)(struct mb_pipe *pipe, size_t index, void *context), void *context);

/* The same as an open loop: operation i is due at i / per_second, whatever became of those before
 * it. ms[i] is from when it was due to its last reply, so that a stall counts for all that it
 * delayed (no coordinated omission). */
void mb_pipe_paced(struct mb_pipe *pipe, size_t operations, double per_second,
                   void (*issue)(struct mb_pipe *pipe, size_t index, void *context), void *context,
                   double *ms);

/* One command and its reply, which the caller frees; an error reply ends the benchmark. */
redisReply *mb_pipe_call(struct mb_pipe *pipe, const char *const words[]);
/*   freeReplyObject(MB_CALL(pipe, "FLUSHALL"));  */
#define MB_CALL(pipe, ...) mb_pipe_call((pipe), (const char *const[]){__VA_ARGS__, NULL})
/* The same for commands whose reply nobody needs. */
#define MB_DO(pipe, ...) freeReplyObject(MB_CALL(pipe, __VA_ARGS__))
/* The same, but an error reply is returned. */
redisReply *mb_pipe_try(struct mb_pipe *pipe, const char *const words[]);

#endif
