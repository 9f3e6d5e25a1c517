#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/text.h"

static enum muster_status refuse(const char *path, const char *wrong, struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];

    return mu_error_set(error, MUSTER_BAD_REQUEST, "secret file '%s' %s",
                        mu_text_show(shown, path, strlen(path)), wrong);
}

static enum muster_status check_mode(int fd, const char *path, struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];
    struct stat about;

    if (fstat(fd, &about) != 0) {
        return refuse(path, strerror(errno), error);
    }
    if (!S_ISREG(about.st_mode)) {
        return refuse(path, "is not a regular file; allowed is a file that holds only the secret",
                      error);
    }
    if ((about.st_mode & S_IRWXO) != 0) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "secret file '%s' is open to every user (mode %04o); allowed is a "
                            "file closed to others, such as mode 0600 or 0640",
                            mu_text_show(shown, path, strlen(path)),
                            (unsigned)(about.st_mode & 07777));
    }
    return MUSTER_OK;
}

static enum muster_status read_all(int fd, const char *path, struct mu_buffer *out,
                                   struct mu_error *error) {
    char chunk[4096];
    ssize_t got;

    do {
        got = read(fd, chunk, sizeof chunk);
        if (got > 0 && !mu_buffer_append(out, chunk, (size_t)got)) {
            explicit_bzero(chunk, sizeof chunk);
            return refuse(path, "is too large; allowed is a file that holds only the secret",
                          error);
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    explicit_bzero(chunk, sizeof chunk);
    if (got < 0) {
        return refuse(path, strerror(errno), error);
    }
    return MUSTER_OK;
}

/* One newline at the end is the editor's, not the secret's. */
static void trim(struct mu_buffer *out, size_t begin) {
    if (out->length > begin && out->data[out->length - 1] == '\n') {
        out->length--;
        if (out->length > begin && out->data[out->length - 1] == '\r') {
            out->length--;
        }
        out->data[out->length] = '\0';
    }
}

enum muster_status mu_text_read_secret(struct mu_buffer *out, const char *directory,
                                       const char *path, struct mu_error *error) {
    size_t begin = out->length;
    enum muster_status status;
    struct mu_buffer full;
    int fd = -1;

    if (path[0] == '\0') {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "names no file behind 'file:'; allowed is file:/path/to/secret");
    }
    mu_buffer_init(&full, 0);
    if (mu_buffer_printf(&full, "%s%s%s", path[0] == '/' ? "" : directory,
                         path[0] == '/' ? "" : "/", path)) {
        /* Without O_NONBLOCK a FIFO would keep the daemon waiting for a writer. */
        fd = open(full.data, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    if (fd < 0) {
        char shown[MU_TEXT_SHOWN];

        status = mu_error_set(error, MUSTER_BAD_REQUEST, "secret file '%s' cannot be read: %s",
                              mu_text_show(shown, path, strlen(path)), strerror(errno));
    } else {
        status = check_mode(fd, path, error);
        if (status == MUSTER_OK) {
            status = read_all(fd, path, out, error);
        }
        if (status == MUSTER_OK) {
            trim(out, begin);
        }
        close(fd);
    }
    mu_buffer_deinit(&full);
    return status;
}
