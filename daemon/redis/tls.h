/* tls.h - the client's side of TLS for a socket that somebody else owns: ciphertext in, plaintext
 * out, and back.
 *
 * Nothing here waits or does I/O but for reading the files of mu_tls_create(). What the socket
 * brought goes in with mu_tls_feed(); plaintext is read with mu_tls_read() until there is none;
 * what mu_tls_take() gives belongs on the socket, after each of the other calls, and after a
 * failure, too: the alert that tells the peer why lies there. How long a handshake may take is the
 * caller's to bound: a peer that speaks no TLS may be silent for ever.
 *
 * TLS 1.2 or later. The server's certificate is always verified, down to a CA that is trusted, and
 * must be for `server_name`, or else for the host: an address stands among its IP addresses, a name
 * among its DNS names. There is no way to turn that off.
 *
 * The files are read anew by each mu_tls_create(), so renewed certificates count from the next
 * connection on. That takes a millisecond with a CA of one's own, and some 25 with a bundle of all
 * CAs of the world.
 *
 * Errors are sentences that say what is wrong and how to mend it. They hold no secrets, and what
 * comes from the peer's certificate is stripped to harmless characters. One thread at a time.
 */
#ifndef MU_REDIS_TLS_H
#define MU_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "redis/address.h"

struct mu_tls; /* one connection */

/* Can the files of `address` be read, and do they fit each other? Good for any address: one that is
 * no rediss:// has none. */
enum muster_status mu_tls_check(const struct mu_redis_address *address,
                                struct mu_error *error) MU_WARN_UNUSED;

/* Reads the files and begins: the first message lies there to be taken. NULL with `error`. */
struct mu_tls *mu_tls_create(const struct mu_redis_address *address, struct mu_error *error);
/* Clears the pointer; NULL in it is fine. Sends nothing. */
void mu_tls_destroy(struct mu_tls **tls);

/* Takes all of it, and goes on with the handshake. UNAVAILABLE: broken, for good. */
enum muster_status mu_tls_feed(struct mu_tls *tls, const void *data, size_t length,
                               struct mu_error *error) MU_WARN_UNUSED;
/* How much plaintext came into `buffer`; 0: none at present. UNAVAILABLE: broken, or the server has
 * closed; what came before is read first. */
enum muster_status mu_tls_read(struct mu_tls *tls, void *buffer, size_t size, size_t *got,
                               struct mu_error *error) MU_WARN_UNUSED;
/* Encrypts all of it; only once established. Few large writes are far cheaper than many small. */
enum muster_status mu_tls_write(struct mu_tls *tls, const void *data, size_t length,
                                struct mu_error *error) MU_WARN_UNUSED;
/* Appends what belongs on the socket. */
void mu_tls_take(struct mu_tls *tls, struct mu_buffer *out);

/* The handshake is over, and the server has proved who it is. With TLS 1.3 it has not yet looked at
 * our certificate: only its first answer shows that it has accepted it. */
bool mu_tls_established(const struct mu_tls *tls);
/* Says goodbye (close_notify), if there is somebody to say it to. */
void mu_tls_end(struct mu_tls *tls);

/* The sentence for a socket that has ended with `reason` before anything was read, and for a
 * handshake that is not over in `ms`. */
enum muster_status mu_tls_lost(const struct mu_tls *tls, const char *reason,
                               struct mu_error *error);
enum muster_status mu_tls_late(unsigned long long ms, struct mu_error *error);

#endif
