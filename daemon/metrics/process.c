#include "metrics/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void set(struct mu_metrics *metrics, const char *name, int64_t value, const char *help) {
    mu_metric_set(mu_metrics_get(metrics, MUSTER_GAUGE, name, NULL, help), value);
}

static void processor(struct mu_metrics *metrics) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return;
    }
    int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * (int64_t)1000000 +
                 usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    mu_metric_set(mu_metrics_seconds(metrics, MUSTER_COUNTER, "process_cpu_seconds_total", NULL,
                                     "Processor time of all threads, user and system"),
                  us);
}

/* The files of /proc are short, and reading them does not block. */
static bool read_file(const char *path, char *out, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t length = read(fd, out, size - 1);
    close(fd);
    out[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The fields of /proc/self/stat behind the name of the program, which may hold anything. */
static void memory_and_start(struct mu_metrics *metrics) {
    char text[1024];
    char boot[4096];
    if (!read_file("/proc/self/stat", text, sizeof text)) {
        return;
    }
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return;
    }
    char *next = NULL;
    uint64_t started = strtoull(at, &next, 10);
    uint64_t bytes = strtoull(next, &next, 10);
    uint64_t pages = strtoull(next, &next, 10);
    set(metrics, "process_virtual_memory_bytes", (int64_t)bytes, "Address space of the process");
    set(metrics, "process_resident_memory_bytes", (int64_t)pages * (int64_t)sysconf(_SC_PAGESIZE),
        "Memory of the process that is in use");
    const char *since = read_file("/proc/stat", boot, sizeof boot) ? strstr(boot, "btime ") : NULL;
    int64_t ticks = sysconf(_SC_CLK_TCK);
    if (since != NULL && ticks > 0) {
        set(metrics, "process_start_time_seconds",
            strtoll(since + strlen("btime "), NULL, 10) + (int64_t)started / ticks,
            "When the process began, in seconds since 1970");
    }
}

static void descriptors(struct mu_metrics *metrics) {
    struct rlimit limit;
    int64_t count = -3; /* `.`, `..` and the folder itself */
    DIR *folder = opendir("/proc/self/fd");
    if (folder != NULL) {
        /* cppcheck-suppress readdirCalled ; the stream is ours alone */
        while (readdir(folder) != NULL) {
            count++;
        }
        closedir(folder);
        set(metrics, "process_open_fds", count, "Open file descriptors");
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        set(metrics, "process_max_fds", (int64_t)limit.rlim_cur,
            "File descriptors that may be open");
    }
}

static void collect(void *context) {
    processor(context);
    memory_and_start(context);
    descriptors(context);
}

void mu_metrics_process(struct mu_metrics *metrics) {
    mu_metrics_source(metrics, collect, metrics);
}
