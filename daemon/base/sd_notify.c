#include "base/sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

#define SEND_WAIT_US 200000

struct mu_sd_notify {
    int fd;
    struct sockaddr_un address;
    socklen_t size;
};

static enum muster_status read_address(const char *text, struct mu_sd_notify *out,
                                       struct mu_error *error) {
    size_t length = strlen(text);
    if (text[0] != '/' && text[0] != '@') {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "NOTIFY_SOCKET is neither an absolute path nor an abstract socket");
    }
    if (length < 2 || length >= sizeof out->address.sun_path) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "NOTIFY_SOCKET is empty or too long");
    }
    out->address.sun_family = AF_UNIX;
    memcpy(out->address.sun_path, text, length + 1);
    if (text[0] == '@') {
        out->address.sun_path[0] = '\0'; /* an abstract name has no NUL at its end */
    } else {
        length++;
    }
    out->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return MUSTER_OK;
}

struct mu_sd_notify *mu_sd_notify_open(const char *address, struct mu_error *error) {
    const struct timeval wait = {.tv_usec = SEND_WAIT_US};
    struct mu_sd_notify self = {.fd = -1};
    if (address == NULL || address[0] == '\0' || read_address(address, &self, error) != MUSTER_OK) {
        return NULL;
    }
    struct mu_sd_notify *notify = mu_calloc(1, sizeof *notify);
    *notify = self;
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "no socket: %s", strerror(errno));
        free(notify);
        return NULL;
    }
    setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    return notify;
}

void mu_sd_notify_close(struct mu_sd_notify **notify) {
    if (*notify != NULL) {
        close((*notify)->fd);
        free(*notify);
        *notify = NULL;
    }
}

bool mu_sd_notify_send(const struct mu_sd_notify *notify, const char *text) {
    if (notify == NULL) {
        return true;
    }
    size_t length = strlen(text);
    return sendto(notify->fd, text, length, MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
                  notify->size) == (ssize_t)length;
}

static bool read_number(const char *text, unsigned long long *out) {
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

uint64_t mu_sd_notify_watchdog_ms(const char *usec, const char *pid, long self) {
    unsigned long long limit = 0;
    unsigned long long meant = 0;
    if (!read_number(usec, &limit) || limit == 0) {
        return 0;
    }
    if (pid != NULL && (!read_number(pid, &meant) || meant != (unsigned long long)self)) {
        return 0;
    }
    return limit < 2000 ? 1 : limit / 2000;
}
