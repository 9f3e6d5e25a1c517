/* process.h - the processes of a benchmark: where they run, how they end, how a failure ends.
 *
 * Everything that measures runs in a worker process, below a guard that does nothing but wait for
 * it and remove its directory. So mb_fail() may end the worker anywhere: the children that it
 * started die with it (PR_SET_PDEATHSIG) and nothing is left behind.
 */
#ifndef MB_PROCESS_H
#define MB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Where things run: Redis has a core of its own, everything else shares the other one. */
enum { MB_CORE_REDIS = 0, MB_CORE_CLIENT = 1 };

/* Says why on stderr and ends the worker with exit code 1. */
_Noreturn void mb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* snprintf() that fails instead of cutting a text off. */
void mb_text(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs work(directory, context) in a worker process, with a fresh directory under TMPDIR (0700),
 * and removes that afterwards. SIGINT and SIGTERM end the worker. Returns its exit code. */
int mb_guard(int (*work)(const char *directory, void *context), void *context);

/* False where the machine has one core only. */
bool mb_pinnable(void);
/* Pins the calling thread. Does nothing where it is not possible. */
void mb_pin(int core);

/* Starts a program (argv[0] looked up in PATH) on a core, its output into the file `log`. */
pid_t mb_start(const char *const argv[], int core, const char *log);
/* fork() for a child that dies with the calling thread: 0 in the child. */
pid_t mb_fork(int core);
/* Sends the signal and waits for the end; clears the id. Of 0: nothing. */
void mb_end(pid_t *process, int signal_number);

/* `name` beside this program, e.g. musterd of the same build. The caller frees it. */
char *mb_beside(const char *name);

double mb_seconds(void); /* of a monotonic clock */
void mb_sleep(double seconds);

#endif
