#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool jwt_stamp_equal(const struct jwt_stamp *a, const struct jwt_stamp *b) {
    return a->there == b->there &&
           (!a->there ||
            (a->about.st_dev == b->about.st_dev && a->about.st_ino == b->about.st_ino &&
             a->about.st_size == b->about.st_size &&
             same_time(&a->about.st_mtim, &b->about.st_mtim) &&
             same_time(&a->about.st_ctim, &b->about.st_ctim))); /* ctime: the mode, too */
}

struct jwt_stamp jwt_file_stamp(const char *path) {
    struct jwt_stamp stamp = {0};
    stamp.there = stat(path, &stamp.about) == 0;
    return stamp;
}

/* ---- may it be trusted ---- */

static bool complain(char *wrong, const char *path, const char *what) {
    snprintf(wrong, JWT_WRONG_MAX, "%.200s: %s", path, what);
    return false;
}

/* Who may write there may choose the keys. */
static bool folder_is_safe(const char *path, char *wrong) {
    char folder[4100];
    struct stat about;
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL && slash > path ? (size_t)(slash - path) : 1;
    if (length >= sizeof folder) {
        return complain(wrong, path, "the path is too long");
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    if (stat(folder, &about) != 0) {
        return complain(wrong, path, strerror(errno));
    }
    return (about.st_mode & S_IWOTH) == 0 ||
           complain(wrong, path, "everybody may write in its folder; chmod o-w the folder");
}

static bool is_safe(const char *path, const struct stat *about, char *wrong) {
    if (!S_ISREG(about->st_mode)) {
        return complain(wrong, path, "is not a regular file");
    }
    if ((about->st_mode & S_IWOTH) != 0) {
        return complain(wrong, path, "everybody may write it; chmod o-w it");
    }
    if (about->st_uid != 0 && about->st_uid != geteuid()) {
        return complain(wrong, path, "belongs neither to root nor to the user of the daemon");
    }
    if ((unsigned long long)about->st_size > JWT_FILE_MAX) {
        return complain(wrong, path, "is larger than 1 MiB");
    }
    return folder_is_safe(path, wrong);
}

/* ---- reading ---- */

/* At most `size` bytes; more means that it grew. */
static bool read_all(int fd, char *bytes, size_t size, size_t *length) {
    *length = 0;
    while (*length < size) {
        ssize_t got = read(fd, bytes + *length, size - *length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0;
        }
        *length += (size_t)got;
    }
    return true;
}

static struct jwt_keys *read_keys(int fd, const char *path, const struct stat *about, char *wrong) {
    char reason[JWT_WRONG_MAX / 2] = "";
    size_t room = (size_t)about->st_size + 1;
    size_t length = 0;
    struct jwt_stamp before = {true, *about};
    struct jwt_stamp after = {true, {0}};
    struct jwt_keys *keys = NULL;
    char *bytes = malloc(room);
    if (bytes == NULL) {
        complain(wrong, path, "does not fit into memory");
        return NULL;
    }
    bool fine = read_all(fd, bytes, room, &length);
    if (!fine) {
        complain(wrong, path, strerror(errno));
    } else if (fstat(fd, &after.about) == 0 && jwt_stamp_equal(&before, &after)) {
        keys = jwt_keys_read(bytes, length, reason, sizeof reason);
        if (keys == NULL) {
            complain(wrong, path, reason);
        } else if (keys->secret && (about->st_mode & S_IRWXO) != 0) {
            complain(wrong, path,
                     "holds a shared secret and everybody may read it; chmod o-rwx it");
            jwt_keys_unref(&keys);
        }
    }
    jwt_wipe_free(&bytes, room); /* there may be secrets in it */
    return keys;
}

struct jwt_keys *jwt_file_read(const char *path, struct jwt_stamp *stamp, char *wrong) {
    struct jwt_keys *keys = NULL;
    *stamp = (struct jwt_stamp){0};
    wrong[0] = '\0';
    /* Without O_NONBLOCK a FIFO would keep the daemon waiting for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        complain(wrong, path, strerror(errno));
        return NULL;
    }
    stamp->there = fstat(fd, &stamp->about) == 0;
    if (!stamp->there) {
        complain(wrong, path, strerror(errno));
    } else if (is_safe(path, &stamp->about, wrong)) {
        keys = read_keys(fd, path, &stamp->about, wrong);
    }
    close(fd);
    return keys;
}
