/* redis.h - a blocking connection to Redis for tests, and calls of muster's functions over it.
 *
 * Replies, texts and JSON values that these functions return belong to the connection and live
 * until mt_redis_forget() or mt_redis_close(): a test need not free anything.
 */
#ifndef MT_REDIS_H
#define MT_REDIS_H

#include <hiredis/hiredis.h>
#include <jansson.h>

#include "lib/json.h"
#include "lib/world.h"
#include "muster/status.h"

/* The namespace that tests use, as key prefix:  "HGETALL " MT_NS "session:room-1"  */
#define MT_NAMESPACE "t"
#define MT_NS "{t}:"

struct mt_redis;

/* Connects to a unix socket, with AUTH when `password` is not NULL. Retries until the server
 * answers PING (deadline of wait.h). The world must outlive the connection. */
struct mt_redis *mt_redis_open(struct mt_world *world, const char *socket, const char *password);
/* Closes and clears the pointer. NULL in it is fine. */
void mt_redis_close(struct mt_redis **redis);
/* Frees all replies handed out so far. */
void mt_redis_forget(struct mt_redis *redis);
/* For commands that nothing here covers; NULL after the connection broke. */
redisContext *mt_redis_context(struct mt_redis *redis);
struct mt_world *mt_redis_world(const struct mt_redis *redis);
/* A second connection to the same server. */
struct mt_redis *mt_redis_again(const struct mt_redis *redis);

/* Commands with hiredis's format (%s, %b, %lld). An error reply fails the test. */
redisReply *mt_command(struct mt_redis *redis, const char *format, ...);
/* The same, but an error reply is returned and a broken connection gives NULL. */
redisReply *mt_try_command(struct mt_redis *redis, const char *format, ...);
/* An integer reply. */
long long mt_integer(struct mt_redis *redis, const char *format, ...);
/* A string or status reply; NULL for nil. */
const char *mt_text(struct mt_redis *redis, const char *format, ...);
/* A field of INFO as a number. */
long long mt_info(struct mt_redis *redis, const char *section, const char *field);

/* FCALL muster_<function> 1 {ns} <arguments>. The arguments end with NULL (the macros add it).
 * Where the server has the users of access.h, it is called by the user that it is meant for, over a
 * connection of his; everything else here is the default user's.
 *     json_t *reply = mt_ok(redis, "enter", "room-1", "c1", "node-1", "inc-a");  */
#define mt_ok(redis, ...)                                                                          \
    mt_ok_at((redis), __FILE__, __LINE__, (const char *const[]){__VA_ARGS__, NULL})
/* Asserts that the call is refused with this code; returns the whole error text. */
#define mt_refused(redis, status, ...)                                                             \
    mt_refused_at((redis), __FILE__, __LINE__, (status), (const char *const[]){__VA_ARGS__, NULL})
json_t *mt_ok_at(struct mt_redis *redis, const char *file, int line, const char *const words[]);
const char *mt_refused_at(struct mt_redis *redis, const char *file, int line,
                          enum muster_status status, const char *const words[]);

/* The general form: counted arguments of any bytes. MUSTER_OK and *json (borrowed), or the code of
 * the error and *error its text (borrowed). An error whose first word is no code of the table
 * gives MUSTER_STATUS_COUNT. `json` and `error` may be NULL. */
enum muster_status mt_call(struct mt_redis *redis, const char *function, size_t count,
                           const char *const values[], const size_t lengths[], json_t **json,
                           const char **error);

/* Pipelining for fixtures: append calls without reading, then read `count` replies, each of which
 * must be no error. */
void mt_append(struct mt_redis *redis, const char *const words[]);
void mt_drain(struct mt_redis *redis, size_t count);

#endif
