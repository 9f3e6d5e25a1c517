/* endpoint.h - an address to listen at, as it stands in the configuration. */
#ifndef MU_BASE_ENDPOINT_H
#define MU_BASE_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

#define MU_ENDPOINT_SIZE 64 /* of one as text */

struct mu_endpoint {
    struct sockaddr_storage address;
    bool loopback; /* only this machine reaches it */
};

/* `127.0.0.1:9411` or `[::1]:9411`: an IP address, not a name, and a port. False: it is none. */
bool mu_endpoint_read(const char *text, struct mu_endpoint *endpoint);

#endif
