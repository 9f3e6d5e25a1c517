/* peer.h - a raw socket at a real RESP door: bytes out, bytes in, nothing understood. */
#ifndef RESP_PEER_H
#define RESP_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/daemon.h"

struct peer {
    struct mt_world *world;
    int fd;      /* non-blocking */
    char *input; /* what came and was not taken; NUL-terminated */
    size_t length, room;
    bool ended; /* the door closed or broke it */
};

/* `address`: unix:///path, 127.0.0.1:port or [::1]:port. Fails the test when nobody listens. */
struct peer *peer_open(struct mt_world *world, const char *address);
/* Clears the pointer; NULL in it is fine. */
void peer_close(struct peer **peer);

/* All of it, waiting while the door does not read; false when it ended meanwhile. */
bool peer_send(struct peer *peer, const char *data, size_t length);
bool peer_say(struct peer *peer, const char *text);
/* As much as goes without waiting. */
size_t peer_try_send(struct peer *peer, const char *data, size_t length);
/* Reads what is there; false when nothing was. */
bool peer_read(struct peer *peer);
/* Waits for exactly this at the beginning of what comes, and takes it. */
void peer_expect(struct peer *peer, const char *text);
/* Waits until this is somewhere in what comes; takes all up to its end. */
void peer_until(struct peer *peer, const char *text);
/* Waits until the door has closed it. */
void peer_expect_end(struct peer *peer);

/* Waits for the next `listening` of a daemon's log: the address. The world's. */
const char *resp_listening(struct mt_world *world, struct mt_process *daemon);

#endif
