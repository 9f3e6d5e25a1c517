/* tls.h - TLS for a socket that somebody else owns: ciphertext in, plaintext out, and back.
 *
 * Nothing here does I/O or waits. What the socket brought goes in with resp_tls_feed(); plaintext
 * is read with resp_tls_read() until it says 0; whatever resp_tls_take() gives belongs on the
 * socket, after every feed, write and shutdown, and once more after a failure: the alert that tells
 * the peer why lies there. How long a handshake may take, and how much may wait to be sent, is the
 * caller's to bound (a peer may stay silent for ever, and whatever is written waits here until it
 * is taken).
 *
 * TLS 1.2 and 1.3 with forward secret, authenticated ciphers; no renegotiation, no compression, no
 * early data. Session tickets only where no client certificate is asked for, so that an expired one
 * is never resumed. Unread ciphertext is bounded by RESP_TLS_INPUT_LIMIT. A connection at rest
 * holds no buffers.
 *
 * One thread only.
 */
#ifndef RESP_TLS_H
#define RESP_TLS_H

#include <stdbool.h>
#include <stddef.h>

#define RESP_TLS_INPUT_LIMIT (256 * 1024)
#define RESP_TLS_FILE_LIMIT (1024 * 1024) /* of each file below */

struct resp_tls_options {    /* paths of PEM files; copied nowhere, read once */
    const char *certificate; /* ours, followed by its chain */
    const char *key;         /* refused when others than owner and group may touch it */
    const char *client_ca;   /* who may sign a client's certificate; NULL: none is asked for */
    bool require_client;     /* no connection without one; needs client_ca */
};

struct resp_tls_context; /* what the files said: shared by the connections that began with it */
struct resp_tls;         /* one connection */

/* Reads the files (blocks for as long as the file system does). NULL: `complaint` says which file
 * and why. Otherwise `complaint` is "", or a sentence to warn the operator with: the certificate
 * has expired, or is not valid yet. */
struct resp_tls_context *resp_tls_context_create(const struct resp_tls_options *options,
                                                 char *complaint, size_t size);
struct resp_tls_context *resp_tls_context_ref(struct resp_tls_context *context);
/* Clears the pointer; NULL in it is fine. */
void resp_tls_context_unref(struct resp_tls_context **context);

/* The server's side of a new connection. Holds a reference to the context. NULL: out of memory. */
struct resp_tls *resp_tls_create(struct resp_tls_context *context);
/* Sends nothing. Clears the pointer; NULL in it is fine. */
void resp_tls_destroy(struct resp_tls **tls);

/* Takes all of what the socket brought, and goes on with the handshake. 0, or <0: broken. */
int resp_tls_feed(struct resp_tls *tls, const void *data, size_t length);
/* Plaintext into `buffer`: how much, 0: none at present, <0: the peer closed, or broken. What came
 * before a close is read first. */
long resp_tls_read(struct resp_tls *tls, void *buffer, size_t size);
/* Encrypts all of it. 0, or <0: broken, shut down, or the handshake is not over. Few large writes
 * are far cheaper than many small ones. */
int resp_tls_write(struct resp_tls *tls, const void *data, size_t length);
/* Moves ciphertext for the socket into `buffer`: how much. */
size_t resp_tls_take(struct resp_tls *tls, void *buffer, size_t size);
/* How much there is to take. */
size_t resp_tls_pending(const struct resp_tls *tls);

/* The handshake is over, and the peer has proved what it had to. Stays true. */
bool resp_tls_established(const struct resp_tls *tls);
/* Says goodbye (close_notify); the peer's is not waited for. Reading may go on, writing not. 0, or
 * <0: there is nothing to end properly. */
int resp_tls_shutdown(struct resp_tls *tls);

/* The subject of the client's verified certificate as RFC 2253 writes it, most specific first
 * ("CN=node-1,O=shop"). NULL: there is none, or it is empty. Lives as long as the connection. */
const char *resp_tls_subject(const struct resp_tls *tls);
/* Why the last call failed: one line, never NULL, "" while all is well. */
const char *resp_tls_error(const struct resp_tls *tls);

#endif
