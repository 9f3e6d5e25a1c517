/* process.h - a child process with its output in files of the test's directory.
 *
 * stdout goes to `<dir>/<name>.out`, stderr to `<dir>/<name>.err` (appended, so a restarted program
 * goes on in the same files). A child is killed when the test process dies. The world owns every
 * struct mt_process.
 */
#ifndef MT_PROCESS_H
#define MT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/world.h"

enum mt_stream { MT_STDOUT, MT_STDERR };

/* `argv` ends with NULL; argv[0] is looked up in PATH. Fails the test when it cannot fork; a
 * program that cannot be executed ends with 127. */
struct mt_process *mt_process_start(struct mt_world *world, const char *name,
                                    const char *const argv[]);

pid_t mt_process_pid(const struct mt_process *process);
const char *mt_process_name(const struct mt_process *process);
struct mt_world *mt_process_world(const struct mt_process *process);
/* Path of the file that holds a stream. */
const char *mt_process_file(const struct mt_process *process, enum mt_stream stream);

/* Reaps if it ended. */
bool mt_process_running(struct mt_process *process);
/* To a process that ended: nothing. SIGSTOP and SIGCONT wait until the kernel did it. */
void mt_process_signal(struct mt_process *process, int signal_number);
/* Waits for the end (with the deadline of wait.h): the exit code, or 128 + signal. */
int mt_process_wait(struct mt_process *process);
/* SIGKILL and reap. */
void mt_process_kill(struct mt_process *process);
/* Only for the world. */
void mt_process_free(struct mt_process *process);

/* The next whole line of a stream that was not yet read by this function, without its newline, or
 * NULL when there is none yet. The caller frees it. Each stream has one reading position. */
char *mt_process_next_line(struct mt_process *process, enum mt_stream stream);
/* Reads lines until one contains `needle`; fails the test at the deadline, or when the process
 * has ended and no such line is left. The caller frees the line. */
char *mt_process_wait_line(struct mt_process *process, enum mt_stream stream, const char *needle);
/* Everything a stream holds so far. The caller frees it. */
char *mt_process_output(const struct mt_process *process, enum mt_stream stream);

/* Runs to the end: the exit code; *out (if not NULL) gets its stdout, the caller frees it. */
int mt_process_run(struct mt_world *world, const char *name, const char *const argv[], char **out);

void mt_process_print_logs(const struct mt_process *process);

#endif
