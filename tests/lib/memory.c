#include "lib/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/test.h"
#include "lib/wait.h"

enum { CHUNK = 1 << 20, AROUND = 80, LONGEST = 256 };

struct search {
    int memory; /* /proc/<pid>/mem */
    char *chunk;
    const void *bytes;
    size_t length;
    void (*found)(void *context, const char *map, const char *around, size_t around_length);
    void *context;
    size_t count;
};

static void look_at(struct search *search, const char *map, size_t size) {
    const char *from = search->chunk;
    const char *end = search->chunk + size;
    const char *at = NULL;
    while ((at = memmem(from, (size_t)(end - from), search->bytes, search->length)) != NULL) {
        const char *first = at - search->chunk > AROUND ? at - AROUND : search->chunk;
        const char *last = end - at > AROUND ? at + AROUND : end;
        search->count++;
        if (search->found != NULL)
            search->found(search->context, map, first, (size_t)(last - first));
        from = at + search->length;
    }
}

/* In pieces that overlap by what is looked for, less one byte: nothing is missed or found twice. */
static void search_map(struct search *search, const char *map, uint64_t from, uint64_t to) {
    size_t kept = 0;
    while (from < to) {
        uint64_t left = to - from;
        size_t wanted = left < CHUNK ? (size_t)left : CHUNK;
        ssize_t got = pread(search->memory, search->chunk + kept, wanted, (off_t)from);
        if (got <= 0)
            return; /* a map without memory behind it, as [vvar] */
        look_at(search, map, kept + (size_t)got);
        from += (uint64_t)got;
        size_t have = kept + (size_t)got;
        kept = have < search->length - 1 ? have : search->length - 1;
        memmove(search->chunk, search->chunk + have - kept, kept);
    }
}

size_t mt_memory_count(pid_t pid, const void *bytes, size_t length,
                       void (*found)(void *context, const char *map, const char *around,
                                     size_t around_length),
                       void *context) {
    char path[64];
    char line[512];
    struct search search = {.bytes = bytes, .length = length, .found = found, .context = context};
    assert_true(length > 0 && length <= LONGEST);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    search.memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    search.chunk = malloc(CHUNK + LONGEST);
    assert_true(search.memory >= 0);
    assert_non_null(maps);
    assert_non_null(search.chunk);
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t from = 0;
        uint64_t to = 0;
        char rights[8] = "";
        int name = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &from, &to, rights, &name) <
                3 ||
            rights[0] != 'r')
            continue;
        search_map(&search, line + name, from, to);
    }
    free(search.chunk);
    fclose(maps);
    close(search.memory);
    return search.count;
}

bool mt_memory_is_plain(void) {
    return mt_slowness() == 1;
}
