/* server.h - a real redis-server of the test's own, on a unix socket in the test's directory.
 *
 * Data lies in `<dir>/<name>`, the socket is `<dir>/<name>.sock`, there is no TCP port but for TLS.
 * Nothing is persisted unless asked; a durable server runs with an append-only file and appendfsync
 * always.
 * How it is guarded: access.h.
 */
#ifndef MT_SERVER_H
#define MT_SERVER_H

#include <stdbool.h>

#include "lib/access.h"
#include "lib/process.h"
#include "lib/redis.h"

struct mt_server;

enum mt_server_kind { MT_SERVER_VOLATILE, MT_SERVER_DURABLE };

/* Starts it and waits until it answers. `extra` are more options for redis-server
 * ({"--maxmemory", "10mb", NULL}), may be NULL, is not copied; the first may be the path of a
 * configuration file. With --aclfile or --user among them the server has no other users. The world
 * owns the process, the caller the struct. */
struct mt_server *mt_server_start(struct mt_world *world, const char *name,
                                  enum mt_server_kind kind, const char *const *extra);
/* The same with TLS on a port of 127.0.0.1 beside its socket. What certificates.sh makes lies in
 * `<dir>/tls`: the server's certificate is for 127.0.0.1 and localhost, signed by ca.pem. */
struct mt_server_tls {
    const char *certificate; /* another one: "expired", "named"; NULL: "server" */
    int port;                /* 0: any */
    bool clients;            /* demand a client's certificate, signed by ca.pem, as client.pem is */
};
struct mt_server *mt_server_start_tls(struct mt_world *world, const char *name,
                                      enum mt_server_kind kind, const char *const *extra,
                                      const struct mt_server_tls *tls);
/* rediss://127.0.0.1:port, as redis.url; redis.tls.ca is mt_server_tls_file(server, "ca.pem"). */
const char *mt_server_tls_url(const struct mt_server *server);
int mt_server_tls_port(const struct mt_server *server);
/* The path of a file of certificates.sh; lives as long as the world. */
const char *mt_server_tls_file(const struct mt_server *server, const char *file);
/* Makes these files, once a world, and says where; for tests that need no server with TLS. */
const char *mt_certificates(struct mt_world *world);
/* Forgets it (the process ends with the world); clears the pointer. Fails the test if it refused a
 * user of etc/users.acl something. */
void mt_server_free(struct mt_server **server);

struct mt_redis *mt_server_connect(const struct mt_server *server);
const char *mt_server_socket(const struct mt_server *server);
/* As redis.url, with the log-in of this user. Lives as long as the server. */
const char *mt_server_url_for(const struct mt_server *server, enum mt_user user);
/* For musterd, and whatever logs in as its user. */
const char *mt_server_url(const struct mt_server *server);

/* To be stopped and continued. Another one after a restart. */
struct mt_process *mt_server_process(const struct mt_server *server);
/* SIGKILL; waits for its end. */
void mt_server_kill(struct mt_server *server);
/* Starts it again on the same data; waits until it answers and has loaded. */
void mt_server_restart(struct mt_server *server);

#endif
