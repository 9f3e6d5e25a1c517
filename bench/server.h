/* server.h - the redis-server of one benchmark: real, without persistence, on a unix socket, on a
 * core of its own; and what it says about its work. */
#ifndef MB_SERVER_H
#define MB_SERVER_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "pipe.h"

struct mb_server;

/* `directory` belongs to the worker; one server at a time may run in it. */
struct mb_server *mb_server_start(const char *directory);
void mb_server_stop(struct mb_server **server);

const char *mb_server_socket(const struct mb_server *server);
pid_t mb_server_process(const struct mb_server *server); /* to stop it for a while */
const char *mb_server_version(const struct mb_server *server);
/* A connection for set-up and questions; not the one that is measured. */
struct mb_pipe *mb_server_control(struct mb_server *server);

/* Removes all data, at once, not in the background. */
void mb_server_empty(struct mb_server *server);
/* CPU seconds (user and system) that its main thread has used since its start. */
double mb_server_cpu(struct mb_server *server);
/* used_memory in bytes, once it stands still. */
double mb_server_memory(struct mb_server *server);

void mb_server_reset_commands(struct mb_server *server);
/* Calls by command since the reset, as an object; those that only ask or watch (INFO, CONFIG,
 * PING, EXISTS of the benchmark) are for the caller to leave out. The caller owns it. */
json_t *mb_server_commands(struct mb_server *server);
/* Calls of one command since the reset, and the microseconds that they took together. */
void mb_server_command(struct mb_server *server, const char *name, double *calls, double *spent_us);

/* From now on Redis remembers what took long. */
void mb_server_watch_slow(struct mb_server *server);
/* The longest single command since then, in ms, but for one that took less than 0.1; and which it
 * was, into `what`. Unlike a PING seen from outside it holds no waiting for a processor. */
double mb_server_slowest_ms(struct mb_server *server, char *what, size_t size);

#endif
