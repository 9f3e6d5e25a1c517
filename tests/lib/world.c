#include "lib/world.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/test.h"

enum { LONGEST_BASE = 40 };

struct text {
    struct text *next;
    char bytes[];
};

struct mt_world {
    char dir[LONGEST_BASE + 16];
    struct mt_process **processes;
    size_t count;
    struct text *texts;
};

struct mt_world *mt_world_create(void) {
    struct mt_world *world = calloc(1, sizeof *world);
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] != '/' || strlen(base) > LONGEST_BASE)
        base = "/tmp";
    if (world == NULL)
        abort();
    snprintf(world->dir, sizeof world->dir, "%s/mt-XXXXXX", base);
    if (mkdtemp(world->dir) == NULL) {
        perror(world->dir);
        abort();
    }
    /* A managed redis-server outlives its daemon on purpose; it becomes our child then. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        perror("PR_SET_CHILD_SUBREAPER");
    return world;
}

const char *mt_world_dir(const struct mt_world *world) {
    return world->dir;
}

const char *mt_world_path(struct mt_world *world, const char *format, ...) {
    char name[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    size_t size = strlen(world->dir) + 1 + strlen(name) + 1;
    struct text *text = malloc(sizeof *text + size);
    if (text == NULL)
        abort();
    snprintf(text->bytes, size, "%s/%s", world->dir, name);
    text->next = world->texts;
    world->texts = text;
    return text->bytes;
}

void mt_world_add(struct mt_world *world, struct mt_process *process) {
    struct mt_process **grown =
        realloc(world->processes, (world->count + 1) * sizeof *world->processes);
    if (grown == NULL)
        abort();
    world->processes = grown;
    world->processes[world->count++] = process;
}

void mt_world_print_logs(const struct mt_world *world) {
    for (size_t i = 0; i < world->count; i++)
        mt_process_print_logs(world->processes[i]);
}

_Noreturn void mt_fail_at(const struct mt_world *world, const char *file, int line,
                          const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (world != NULL)
        mt_world_print_logs(world);
    print_error("%s\n", text);
    _fail(file, line);
    abort(); /* _fail() jumps away */
}

/* Children that processes left behind, adopted by us. Each round may uncover children of those. */
static void kill_orphans(void) {
    for (int round = 0; round < 100; round++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
        FILE *children = fopen(path, "re");
        if (children == NULL)
            return;
        long pid = 0;
        int found = 0;
        while (fscanf(children, "%ld", &pid) == 1) {
            kill((pid_t)pid, SIGKILL);
            waitpid((pid_t)pid, NULL, 0);
            found++;
        }
        fclose(children);
        if (found == 0)
            return;
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

void mt_world_destroy(struct mt_world **pointer) {
    struct mt_world *world = *pointer;
    if (world == NULL)
        return;
    *pointer = NULL;
    for (size_t i = 0; i < world->count; i++)
        mt_process_kill(world->processes[i]);
    kill_orphans();
    for (size_t i = 0; i < world->count; i++)
        mt_process_free(world->processes[i]);
    free(world->processes);
    if (getenv("MUSTER_TEST_KEEP") != NULL)
        print_message("kept: %s\n", world->dir);
    else
        nftw(world->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    while (world->texts != NULL) {
        struct text *text = world->texts;
        world->texts = text->next;
        free(text);
    }
    free(world);
}
