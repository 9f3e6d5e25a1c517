/* access.h - how Redis is guarded in this run of the tests, and who is who to it.
 *
 * MUSTER_TEST_REDIS is empty, or
 *   acl      every server of lib/server.h has the users of etc/users.acl, and programs log in as
 * one of them. The default user is left to the test, who looks at things directly and plays the
 * administrator tls      programs go to every server over TLS (1.3, the server verified); there is
 * no other port acl+tls  both A test's own connections take the server's unix socket in each of
 * them.
 */
#ifndef MT_ACCESS_H
#define MT_ACCESS_H

#include <stdbool.h>

#include "lib/world.h"

enum mt_user {
    MT_DAEMON,  /* musterd, musterctl, and a test that is one: muster-daemon */
    MT_BACKEND, /* muster-sim, and whoever calls functions as a trusted backend: muster-backend */
    MT_ADMIN    /* the default user */
};

/* Aborts the program when MUSTER_TEST_REDIS is something else than a mode. */
bool mt_access_has_users(void);
bool mt_access_has_tls(void);

/* A CA and a server's certificate in `<dir>/access`, made once a build folder; this process and all
 * that it starts trust that CA as they do the system's: SSL_CERT_FILE. Returns the folder. */
const char *mt_access_certificates(struct mt_world *world);

/* NULL for MT_ADMIN. */
const char *mt_access_name(enum mt_user user);
const char *mt_access_password(enum mt_user user);
/* Whom a function belongs to, without "muster_". */
enum mt_user mt_access_caller(const char *function);

/* etc/users.acl as an administrator fills it in for the namespace of the tests, for the server with
 * this socket. */
void mt_access_write_users(const char *socket);
/* Was it written? If not, the server has no users, or users of its own. */
bool mt_access_guards(const char *socket);
/* The file, beside the socket. */
#define MT_USERS_FILE "%s.acl"

/* Fails the test if the server refused one of these users anything. Nothing when it is dead. */
void mt_access_check(struct mt_world *world, const char *socket);

#endif
