/* world.h - what one test owns: a directory of its own and the processes that it started.
 *
 * The directory is short (a unix socket's path may have 107 bytes) and removed at the end, unless
 * MUSTER_TEST_KEEP is set: then it stays and its path is printed. Every process that a test starts,
 * and whatever those left behind (the test process adopts orphans), is killed and reaped by pid
 * in mt_world_destroy(); so there is one world at a time. All functions block; none may be called
 * from another thread.
 */
#ifndef MT_WORLD_H
#define MT_WORLD_H

struct mt_world;
struct mt_process;

/* Aborts the program when no directory can be made. */
struct mt_world *mt_world_create(void);
/* Kills, reaps, removes; clears the pointer. NULL in it is fine. */
void mt_world_destroy(struct mt_world **world);

/* The directory, without a last slash. */
const char *mt_world_dir(const struct mt_world *world);
/* `<directory>/<formatted>`; lives as long as the world. */
const char *mt_world_path(struct mt_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the end of the output of every process to stderr. */
void mt_world_print_logs(const struct mt_world *world);

/* Prints the logs and fails the running cmocka test with a sentence. Does not return. */
#define mt_fail(world, ...) mt_fail_at((world), __FILE__, __LINE__, __VA_ARGS__)
_Noreturn void mt_fail_at(const struct mt_world *world, const char *file, int line,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* For process.c: processes are kept in a list and freed with the world. */
void mt_world_add(struct mt_world *world, struct mt_process *process);

#endif
