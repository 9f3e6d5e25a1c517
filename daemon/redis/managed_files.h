/* managed_files.h - what a managed server has on disk. Private to daemon/redis.
 *
 * Everything here blocks on the file system and belongs into the pool, but for
 * mu_managed_try_lock() and mu_managed_log_tail(), which are short.
 */
#ifndef MU_REDIS_MANAGED_FILES_H
#define MU_REDIS_MANAGED_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct mu_managed_files {
    char *directory; /* absolute, without symbolic links */
    char *socket;
    char *configuration;
    char *lock;
    char *log;
    char *pid;
    char *password;
};

/* Creates the directory (0700) and the password (0600) where they are missing, checks owner and
 * mode, and fills `files`. */
enum muster_status mu_managed_files_prepare(const char *state_dir, struct mu_managed_files *files,
                                            struct mu_error *error) MU_WARN_UNUSED;
/* The same of a directory that is there; UNAVAILABLE when it or the password is missing. Root may
 * read what another user's daemon made. */
enum muster_status mu_managed_files_read(const char *state_dir, struct mu_managed_files *files,
                                         struct mu_error *error) MU_WARN_UNUSED;
void mu_managed_files_deinit(struct mu_managed_files *files);

/* Runs `<program> --version`: is it there, and 7 or later? */
enum muster_status mu_managed_check_program(const char *program,
                                            struct mu_error *error) MU_WARN_UNUSED;

/* The lock, for whoever starts the server. *fd is -1 when another process has it. The server
 * inherits the descriptor, so that nobody gets the lock as long as a server of this directory
 * lives. Close it; never unlock it, that would unlock it for the server as well. */
enum muster_status mu_managed_try_lock(const struct mu_managed_files *files, int *fd,
                                       struct mu_error *error) MU_WARN_UNUSED;

enum muster_status mu_managed_write_configuration(const struct mu_managed_files *files,
                                                  uint16_t port, const char *appendfsync,
                                                  struct mu_error *error) MU_WARN_UNUSED;

/* Opens the log for the server's standard output; *size is what it holds already. -1 on failure. */
int mu_managed_open_log(const struct mu_managed_files *files, off_t *size);
/* The last warnings that were logged from offset `from` on, joined by "; ", without their time. */
void mu_managed_log_tail(const struct mu_managed_files *files, off_t from, char *out, size_t size);

#endif
