/* pace.c - how fast Redis answers, whether clocks agree, and the machine beneath. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "doctor/doctor.h"

#define PINGS 11
#define HIGH_PART 20 /* of the lease and the time to suspicion: so small a part a ping may take */
#define CRITICAL_PART 4
#define CLOCKS_MAX_MS 2000
#define AHEAD_MAX_MS 60000 /* a rotation itself goes some ten seconds ahead */
#define SLOW_US 100000
#define SLOW_ENTRIES "128"
#define SLOW_SINCE_S 3600

static int by_size(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

void mu_check_latency(struct mu_doctor *doctor) {
    const struct mu_config *config = doctor->config;
    uint64_t taken[PINGS];
    for (size_t i = 0; i < PINGS; i++) {
        uint64_t begin = mu_clock_monotonic_us();
        redisReply *reply = mu_ask(doctor->ctl, "PING");
        taken[i] = mu_clock_monotonic_us() - begin;
        bool refused = mu_doctor_refused(doctor, reply);
        freeReplyObject(reply);
        if (refused) {
            return;
        }
    }
    qsort(taken, PINGS, sizeof taken[0], by_size);
    uint64_t median = taken[PINGS / 2];
    uint64_t limit = config->coordinator.lease_ms < config->detector.suspect_after_ms
                         ? config->coordinator.lease_ms
                         : config->detector.suspect_after_ms;
    if (median * HIGH_PART > limit * 1000) {
        mu_doctor_found(doctor,
                        median * CRITICAL_PART > limit * 1000 ? "LATENCY_CRITICAL" : "LATENCY_HIGH",
                        NULL, "a ping takes %.1f ms, and leases or heartbeats %" PRIu64 " ms",
                        (double)median / 1000.0, limit);
    }
    mu_doctor_saw(doctor, "a ping takes %.2f ms (median of %d)", (double)median / 1000.0, PINGS);
}

void mu_check_clock(struct mu_doctor *doctor) {
    const char *ns = doctor->ctl->name_space;
    int64_t before = (int64_t)mu_clock_realtime_ms();
    int64_t theirs = mu_ask_now(doctor->ctl);
    int64_t after = (int64_t)mu_clock_realtime_ms();
    if (theirs == 0) {
        mu_doctor_cannot(doctor, "Redis does not tell its time");
        return;
    }
    /* Its time was read at some moment between ours. */
    int64_t ahead = theirs > after ? theirs - after : theirs < before ? theirs - before : 0;
    if (llabs(ahead) > CLOCKS_MAX_MS) {
        mu_doctor_found(doctor, "CLOCKS_DIFFER", NULL,
                        "Redis's clock is %.1f s %s that of this machine",
                        (double)llabs(ahead) / 1000.0, ahead > 0 ? "ahead of" : "behind");
    }
    redisReply *floor = mu_ask(doctor->ctl, "GET {%s}:clock", ns);
    redisReply *last = mu_ask(doctor->ctl, "ZRANGE {%s}:instances 0 0 REV WITHSCORES", ns);
    if (!mu_doctor_refused(doctor, floor) && !mu_doctor_refused(doctor, last)) {
        int64_t highest = mu_reply_number(floor, 0);
        int64_t heard = mu_reply_number(mu_reply_at(last, 1), 0);
        const char *what = highest >= heard ? "the key clock" : "a heartbeat";
        highest = highest >= heard ? highest : heard;
        if (highest > theirs + AHEAD_MAX_MS) {
            mu_doctor_found(doctor, "CLOCK_WENT_BACK", NULL, "%s is %.0f s ahead of Redis's time",
                            what, (double)(highest - theirs) / 1000.0);
        }
    }
    freeReplyObject(floor);
    freeReplyObject(last);
    mu_doctor_saw(doctor, "Redis's clock and this machine's agree");
}

void mu_check_slow(struct mu_doctor *doctor) {
    int64_t now = mu_ask_now(doctor->ctl) / 1000;
    redisReply *log = mu_ask(doctor->ctl, "SLOWLOG GET " SLOW_ENTRIES);
    int64_t longest = 0;
    int count = 0;
    char name[64] = "";
    if (mu_doctor_refused(doctor, log)) {
        freeReplyObject(log);
        return;
    }
    for (size_t i = 0; i < mu_reply_count(log); i++) {
        const redisReply *entry = log->element[i];
        const redisReply *words = mu_reply_at(entry, 3);
        int64_t at = mu_reply_number(mu_reply_at(entry, 1), 0);
        int64_t taken = mu_reply_number(mu_reply_at(entry, 2), 0);
        const char *function = mu_reply_text(mu_reply_at(words, 1));
        bool ours = strncmp(function, "muster_", 7) == 0;
        if (!ours || taken < SLOW_US || now - at > SLOW_SINCE_S) {
            continue;
        }
        count++;
        if (taken > longest) {
            longest = taken;
            snprintf(name, sizeof name, "%.60s", function);
        }
    }
    freeReplyObject(log);
    if (count > 0) {
        mu_doctor_found(doctor, "SLOW_FUNCTIONS", NULL,
                        "%d calls took more than %d ms within the last hour, %s %" PRId64 " ms",
                        count, SLOW_US / 1000, name, longest / 1000);
    }
    mu_doctor_saw(doctor, "no function took more than %d ms within the last hour", SLOW_US / 1000);
}

/* ---- the machine ---- */

static bool is_here(const struct mu_redis_address *address) {
    const char *host = address->host;
    return address->path != NULL ||
           (host != NULL && (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
                             strcmp(host, "localhost") == 0));
}

/* The first line of a file of the kernel; "" when there is none. */
static void read_line(const char *path, char *out, size_t size) {
    FILE *file = fopen(path, "re");
    out[0] = '\0';
    if (file != NULL) {
        if (fgets(out, (int)size, file) == NULL) {
            out[0] = '\0';
        }
        fclose(file);
    }
    out[strcspn(out, "\n")] = '\0';
}

/* kB; -1: not known. */
static int64_t available_memory(void) {
    char line[128];
    int64_t found = -1;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "MemAvailable:", 13) == 0) {
            found = strtoll(line + 13, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

void mu_check_machine(struct mu_doctor *doctor) {
    char overcommit[16];
    char pages[128];
    int64_t used = 0;
    if (!is_here(&doctor->ctl->address)) {
        mu_doctor_need_not(doctor, "Redis runs on another machine");
        return;
    }
    read_line("/proc/sys/vm/overcommit_memory", overcommit, sizeof overcommit);
    read_line("/sys/kernel/mm/transparent_hugepage/enabled", pages, sizeof pages);
    int64_t available = available_memory();
    const char *disabled = mu_doctor_setting(doctor, "disable-thp");
    if (disabled == NULL || !mu_doctor_info_number(doctor, "used_memory", &used)) {
        return;
    }
    bool tight = available >= 0 && used / 1024 > available;
    if (strcmp(overcommit, "2") == 0 || (strcmp(overcommit, "0") == 0 && tight)) {
        mu_doctor_found(doctor, "OVERCOMMIT", NULL,
                        "vm.overcommit_memory is %s, and Redis uses %" PRId64 " MiB of memory",
                        overcommit, used >> 20);
    }
    if (strstr(pages, "[always]") != NULL && strcmp(disabled, "yes") != 0) {
        mu_doctor_found(doctor, "HUGE_PAGES", NULL,
                        "transparent huge pages are on, and disable-thp is off");
    }
    mu_doctor_saw(doctor, "vm.overcommit_memory %s, huge pages %s", overcommit, pages);
}
