#include "base/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool read_port(const char *text, in_port_t *port) {
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long number = strtoul(text, &end, 10);
    *port = htons((in_port_t)number);
    return *end == '\0' && number <= UINT16_MAX;
}

static bool read_four(const char *host, const char *port, struct mu_endpoint *endpoint) {
    struct sockaddr_in *to = (struct sockaddr_in *)(void *)&endpoint->address;
    to->sin_family = AF_INET;
    if (inet_pton(AF_INET, host, &to->sin_addr) != 1 || !read_port(port, &to->sin_port)) {
        return false;
    }
    endpoint->loopback = ntohl(to->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return true;
}

static bool read_six(const char *host, const char *port, struct mu_endpoint *endpoint) {
    struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)&endpoint->address;
    to->sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host, &to->sin6_addr) != 1 || !read_port(port, &to->sin6_port)) {
        return false;
    }
    endpoint->loopback = IN6_IS_ADDR_LOOPBACK(&to->sin6_addr);
    return true;
}

bool mu_endpoint_read(const char *text, struct mu_endpoint *endpoint) {
    char host[MU_ENDPOINT_SIZE];
    const char *colon = strrchr(text, ':');
    bool six = text[0] == '[';
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    *endpoint = (struct mu_endpoint){0};
    if (length < 2 || length >= sizeof host || (six && text[length - 1] != ']')) {
        return false;
    }
    size_t skip = six ? 1 : 0;
    memcpy(host, text + skip, length - 2 * skip);
    host[length - 2 * skip] = '\0';
    return six ? read_six(host, colon + 1, endpoint) : read_four(host, colon + 1, endpoint);
}
