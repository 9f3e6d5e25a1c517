#include "redis/managed_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ids.h"

#define PASSWORD_MAX 512
#define TAIL_BYTES 4096
#define TAIL_LINES 3

static char *join(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = mu_calloc(size, 1);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static enum muster_status failed(struct mu_error *error, const char *what, const char *path) {
    return mu_error_set(error, MUSTER_UNAVAILABLE, "%s %s: %s", what, path, strerror(errno));
}

/* ---- the directory and the password ---- */

/* With `reading` alone root may take what is another user's, to look after it. */
static enum muster_status check_private(const struct stat *info, const char *what, const char *path,
                                        bool reading, struct mu_error *error) {
    if (info->st_uid != geteuid() && !(reading && geteuid() == 0)) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "%s %s belongs to user %lu, not to the user that runs this (%lu)", what,
                            path, (unsigned long)info->st_uid, (unsigned long)geteuid());
    }
    if ((info->st_mode & 077) != 0) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "%s %s is open to others (mode %03o): chmod go= %s", what, path,
                            (unsigned)(info->st_mode & 0777), path);
    }
    return MUSTER_OK;
}

static enum muster_status check_directory(const char *path, struct mu_error *error) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return failed(error, "state directory", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        return mu_error_set(error, MUSTER_UNAVAILABLE, "state directory %s is no directory", path);
    }
    return check_private(&info, "state directory", path, false, error);
}

static enum muster_status name_files(const char *state_dir, struct mu_managed_files *files,
                                     struct mu_error *error) {
    files->directory = realpath(state_dir, NULL);
    if (!files->directory) {
        return failed(error, "state directory", state_dir);
    }
    files->socket = join(files->directory, "redis.sock");
    files->configuration = join(files->directory, "redis.conf");
    files->lock = join(files->directory, "redis.lock");
    files->log = join(files->directory, "redis.log");
    files->pid = join(files->directory, "redis.pid");
    size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (strlen(files->socket) > most) {
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "state directory %s: its path is too long: %s would have %zu bytes, "
                            "a unix socket may have %zu",
                            files->directory, files->socket, strlen(files->socket), most);
    }
    return MUSTER_OK;
}

static enum muster_status read_password(struct mu_managed_files *files, bool reading, bool *missing,
                                        struct mu_error *error) {
    char *path = join(files->directory, "redis.password");
    enum muster_status status = MUSTER_OK;
    char text[PASSWORD_MAX + 1];
    ssize_t length = -1;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *missing = fd < 0 && errno == ENOENT;
    if (fd < 0 || fstat(fd, &info) != 0) {
        status = failed(error, "password file", path);
    } else {
        status = check_private(&info, "password file", path, reading, error);
    }
    if (status == MUSTER_OK) {
        length = read(fd, text, PASSWORD_MAX);
        if (length < 0) {
            status = failed(error, "password file", path);
        }
    }
    if (status == MUSTER_OK) {
        text[length] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
        if (!*text) {
            status = mu_error_set(error, MUSTER_UNAVAILABLE,
                                  "password file %s is empty: remove it and stop the server", path);
        } else {
            files->password = mu_strdup(text);
        }
        explicit_bzero(text, sizeof text);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return status;
}

/* Writes `text` to a new file and gives it its name: with `replace` whatever has it, else only if
 * nobody has it (and then that one stays). */
static enum muster_status write_file(const char *path, const char *text, size_t length,
                                     bool replace, struct mu_error *error) {
    char id[MU_RANDOM_ID_SIZE];
    mu_random_id(id);
    char *temporary = mu_calloc(strlen(path) + sizeof id + 1, 1);
    sprintf(temporary, "%s.%s", path, id);
    enum muster_status status = MUSTER_OK;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        status = failed(error, "cannot write", temporary);
        free(temporary);
        return status;
    }
    ssize_t written = write(fd, text, length);
    if (written >= 0 && (size_t)written < length) {
        errno = ENOSPC;
    }
    if (written != (ssize_t)length || fsync(fd) != 0) {
        status = failed(error, "cannot write", temporary);
    } else if (replace ? rename(temporary, path) != 0
                       : link(temporary, path) != 0 && errno != EEXIST) {
        status = failed(error, "cannot write", path);
    }
    close(fd);
    if (!replace || status != MUSTER_OK) {
        unlink(temporary);
    }
    free(temporary);
    return status;
}

static enum muster_status create_password(const struct mu_managed_files *files,
                                          struct mu_error *error) {
    char text[MU_RANDOM_ID_SIZE + 1];
    mu_random_id(text);
    size_t length = strlen(text);
    text[length++] = '\n';
    char *path = join(files->directory, "redis.password");
    enum muster_status status = write_file(path, text, length, false, error);
    explicit_bzero(text, sizeof text);
    free(path);
    return status;
}

enum muster_status mu_managed_files_prepare(const char *state_dir, struct mu_managed_files *files,
                                            struct mu_error *error) {
    memset(files, 0, sizeof *files);
    if (mkdir(state_dir, 0700) != 0 && errno != EEXIST) {
        return failed(error, "cannot create state directory", state_dir);
    }
    bool missing = false;
    enum muster_status status = check_directory(state_dir, error);
    status = status == MUSTER_OK ? name_files(state_dir, files, error) : status;
    status = status == MUSTER_OK ? read_password(files, false, &missing, error) : status;
    if (missing) {
        /* Of two that create it at once, the first wins and both read what it wrote. */
        status = create_password(files, error);
        status = status == MUSTER_OK ? read_password(files, false, &missing, error) : status;
    }
    if (status != MUSTER_OK) {
        mu_managed_files_deinit(files);
    }
    return status;
}

enum muster_status mu_managed_files_read(const char *state_dir, struct mu_managed_files *files,
                                         struct mu_error *error) {
    memset(files, 0, sizeof *files);
    bool missing = false;
    enum muster_status status = name_files(state_dir, files, error);
    status = status == MUSTER_OK ? read_password(files, true, &missing, error) : status;
    if (status != MUSTER_OK) {
        mu_managed_files_deinit(files);
    }
    return status;
}

void mu_managed_files_deinit(struct mu_managed_files *files) {
    if (files->password) {
        explicit_bzero(files->password, strlen(files->password));
    }
    free(files->directory);
    free(files->socket);
    free(files->configuration);
    free(files->lock);
    free(files->log);
    free(files->pid);
    free(files->password);
    memset(files, 0, sizeof *files);
}

/* ---- lock and configuration ---- */

enum muster_status mu_managed_try_lock(const struct mu_managed_files *files, int *fd,
                                       struct mu_error *error) {
    *fd = open(files->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0) {
        return failed(error, "lock file", files->lock);
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
        return MUSTER_OK;
    }
    int reason = errno;
    close(*fd);
    *fd = -1;
    errno = reason;
    return reason == EWOULDBLOCK ? MUSTER_OK : failed(error, "lock file", files->lock);
}

/* As Redis reads it: in double quotes, everything unusual as \xHH. */
static void append_quoted(struct mu_buffer *out, const char *name, const char *value) {
    bool ok = mu_buffer_printf(out, "%s \"", name);
    for (const char *c = value; ok && *c; c++) {
        bool plain = *c > ' ' && *c < 127 && *c != '"' && *c != '\\';
        ok = mu_buffer_printf(out, plain ? "%c" : "\\x%02x", (unsigned char)*c);
    }
    ok = ok && mu_buffer_append_text(out, "\"\n");
    if (!ok) {
        abort();
    }
}

enum muster_status mu_managed_write_configuration(const struct mu_managed_files *files,
                                                  uint16_t port, const char *appendfsync,
                                                  struct mu_error *error) {
    struct mu_buffer text;
    mu_buffer_init(&text, 0);
    bool ok = mu_buffer_printf(&text,
                               "# Written anew by whoever starts this server: changes are lost.\n"
                               "daemonize no\n"
                               "supervised no\n"
                               "port %u\n"
                               "%s"
                               "protected-mode yes\n"
                               "enable-debug-command no\n"
                               "unixsocketperm 700\n"
                               "timeout 0\n"
                               "tcp-keepalive 60\n"
                               "loglevel notice\n"
                               "appendonly yes\n"
                               "save \"\"\n"
                               "maxmemory-policy noeviction\n",
                               (unsigned)port, port ? "bind 127.0.0.1 -::1\n" : "");
    if (!ok) {
        abort();
    }
    append_quoted(&text, "appendfsync", appendfsync);
    append_quoted(&text, "unixsocket", files->socket);
    append_quoted(&text, "pidfile", files->pid);
    append_quoted(&text, "logfile", files->log);
    append_quoted(&text, "dir", files->directory);
    append_quoted(&text, "requirepass", files->password);
    enum muster_status status =
        write_file(files->configuration, text.data, text.length, true, error);
    explicit_bzero(text.data, text.length);
    mu_buffer_deinit(&text);
    return status;
}

/* ---- the server's log ---- */

int mu_managed_open_log(const struct mu_managed_files *files, off_t *size) {
    int fd = open(files->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat info;
    *size = fd >= 0 && fstat(fd, &info) == 0 ? info.st_size : 0;
    return fd;
}

/* "123:M 24 Nov 2026 06:19:06.165 # text" gives "text"; NULL for what is no warning. Lines of
 * another form (a configuration that is refused) are given whole. */
static const char *warning_of(const char *line) {
    size_t digits = strspn(line, "0123456789");
    if (digits == 0 || line[digits] != ':') {
        return *line ? line : NULL;
    }
    const char *at = line;
    for (int spaces = 0; spaces < 5 && at; spaces++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at && at[0] == '#' && at[1] == ' ' ? at + 2 : NULL;
}

void mu_managed_log_tail(const struct mu_managed_files *files, off_t from, char *out, size_t size) {
    char text[TAIL_BYTES + 1];
    const char *lines[TAIL_LINES] = {NULL};
    int fd = open(files->log, O_RDONLY | O_CLOEXEC);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t start = end - from > TAIL_BYTES ? end - TAIL_BYTES : from;
    ssize_t length = fd >= 0 ? pread(fd, text, TAIL_BYTES, start) : 0;
    if (fd >= 0) {
        close(fd);
    }
    text[length > 0 ? length : 0] = '\0';
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        const char *warning = warning_of(line);
        if (warning) {
            memmove(&lines[0], &lines[1], sizeof lines - sizeof *lines);
            lines[TAIL_LINES - 1] = warning;
        }
    }
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TAIL_LINES; i++) {
        if (lines[i] && used < size) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "; " : "", lines[i]);
        }
    }
}
