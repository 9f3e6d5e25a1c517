/* memory.h - looks for bytes in the memory of another process. */
#ifndef MT_MEMORY_H
#define MT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How often the bytes stand in what the process can read or write: heaps, stacks, data, mapped
 * files. `found` (may be NULL) is called for each place, with the map's name and up to 160 bytes
 * around the place. The process must be idle, or belong to the caller as a child. */
size_t mt_memory_count(pid_t pid, const void *bytes, size_t length,
                       void (*found)(void *context, const char *map, const char *around,
                                     size_t around_length),
                       void *context);

/* May memory be looked through at all? Sanitizers keep what was freed. */
bool mt_memory_is_plain(void);

#endif
