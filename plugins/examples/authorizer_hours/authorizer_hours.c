/* authorizer_hours.c - sessions that may be entered in opening hours only.
 *
 * It restricts and never grants: what it does not deny it leaves to the next of the chain. Hours
 * are answered at once. Days on which it is closed stand in a file, one date (2026-12-24) a line; a
 * file may be slow, so it is read on a thread of the pool, and who asks meanwhile is answered
 * later.
 *
 * The happy path: ENTER or JOIN of one of the sessions - in the hours - today's entry in the file
 * is known and not older than a minute - no opinion.
 *
 * Ways to fail: out of hours, or a day on which it is closed (denied until the minute is over); the
 * file cannot be read (denied: who is not sure that it is open says closed); too many wait for the
 * file, or no thread is free (denied); the plugin stops (the host denies what is still asked).
 */
#include <errno.h>
#include <muster/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAITING_MAX 1000
#define LINE_MAX_BYTES 256
#define FRESH_SECONDS 60
#define DAY_MINUTES (24 * 60)
#define DATE_BYTES sizeof "2026-12-24"

enum day { DAY_UNKNOWN, DAY_OPEN, DAY_CLOSED, DAY_UNREADABLE };

struct hours {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const char *sessions;   /* prefix of their names; the host's */
    unsigned opens, closes; /* minutes since midnight */

    const char *closed_days; /* path; NULL: none */
    enum day day;            /* what the file said */
    time_t read_at;
    bool reading; /* a thread is at it: it owns `sought` and `found` until done */
    char sought[DATE_BYTES];
    enum day found;
    struct muster_handle waiting[WAITING_MAX];
    size_t waiting_count;
    bool stopping;
};

/* ---- deciding: pure ---- */

/* "8:00" or "08:00" to "24:00". */
static bool read_clock(const char *text, unsigned *minutes) {
    char *end = NULL;
    unsigned long hour = strtoul(text, &end, 10);
    if (strspn(text, "0123456789:") != strlen(text) || *end != ':') {
        return false;
    }
    const char *rest = end + 1;
    unsigned long minute = strtoul(rest, &end, 10);
    if (end != rest + 2 || *end != '\0' || minute > 59 || hour * 60 + minute > DAY_MINUTES) {
        return false;
    }
    *minutes = (unsigned)(hour * 60 + minute);
    return true;
}

/* From 22:00 to 06:00 goes over midnight; from 08:00 to 08:00 is never. */
static bool is_open(unsigned opens, unsigned closes, unsigned now) {
    if (opens <= closes) {
        return now >= opens && now < closes;
    }
    return now >= opens || now < closes;
}

static enum muster_verdict closed(struct muster_decision *decision, const char *reason,
                                  uint64_t cache_ms) {
    decision->verdict = MUSTER_DENY;
    decision->reason = reason;
    decision->cache_ms = cache_ms;
    return MUSTER_DENY;
}

static enum muster_verdict judge_day(enum day day, uint64_t cache_ms,
                                     struct muster_decision *decision) {
    switch (day) {
    case DAY_CLOSED:
        return closed(decision, "closed today", cache_ms);
    case DAY_UNREADABLE:
    case DAY_UNKNOWN:
        return closed(decision, "it is not known whether today is open", 0);
    case DAY_OPEN:
        break;
    }
    decision->verdict = MUSTER_DEFER;
    return MUSTER_DEFER;
}

/* ---- the file ---- */

/* On a thread of the pool: nothing of the host, and of `hours` only what is left to it. */
static void read_days(void *context) {
    struct hours *hours = context;
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(hours->closed_days, "re");
    hours->found = DAY_UNREADABLE;
    if (file == NULL) {
        return;
    }
    hours->found = DAY_OPEN;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, " \t\r\n#")] = '\0';
        if (strcmp(line, hours->sought) == 0) {
            hours->found = DAY_CLOSED;
        }
    }
    if (ferror(file)) {
        hours->found = DAY_UNREADABLE;
    }
    fclose(file);
}

/* On the loop again. */
static void on_days_read(void *context) {
    struct hours *hours = context;
    hours->reading = false;
    hours->day = hours->found;
    if (hours->stopping) {
        hours->host->stopped(hours->plugin);
        return;
    }
    if (hours->day == DAY_UNREADABLE) {
        hours->host->log(hours->plugin, MUSTER_LOG_ERROR, "unreadable", "cannot read %s",
                         hours->closed_days);
    }
    /* A question that is over by now makes its decide() a no-op. */
    for (size_t i = 0; i < hours->waiting_count; i++) {
        struct muster_decision decision = {.verdict = MUSTER_DEFER};
        (void)judge_day(hours->day, 0, &decision);
        hours->host->decide(hours->plugin, hours->waiting[i], &decision);
    }
    hours->waiting_count = 0;
}

static enum muster_verdict wait_for_days(struct hours *hours, struct muster_handle handle,
                                         const char *today, struct muster_decision *decision) {
    if (hours->waiting_count == WAITING_MAX) {
        return closed(decision, "too many wait to hear whether today is open", 0);
    }
    if (!hours->reading) {
        memcpy(hours->sought, today, sizeof hours->sought);
        hours->read_at = time(NULL);
        if (hours->host->work(hours->plugin, read_days, on_days_read, hours) != MUSTER_OK) {
            return closed(decision, "it is not known whether today is open", 0);
        }
        hours->reading = true;
    }
    hours->waiting[hours->waiting_count++] = handle;
    return MUSTER_LATER;
}

/* ---- hooks ---- */

static bool concerns(const struct hours *hours, enum muster_action action,
                     const struct muster_resource *resource) {
    /* session.enter covers LEAVE, too: one may always go. */
    return action == MUSTER_ACTION_SESSION_ENTER && resource->session != NULL &&
           strcmp(resource->operation, "LEAVE") != 0 &&
           strncmp(resource->session, hours->sessions, strlen(hours->sessions)) == 0;
}

static enum muster_verdict on_authorize(void *state, struct muster_handle handle,
                                        const struct muster_principal *principal,
                                        enum muster_action action,
                                        const struct muster_resource *resource,
                                        struct muster_decision *decision) {
    struct hours *hours = state;
    time_t now = time(NULL);
    struct tm local;
    (void)principal;
    if (!concerns(hours, action, resource)) {
        return MUSTER_DEFER;
    }
    if (localtime_r(&now, &local) == NULL) {
        return closed(decision, "it is not known what time it is", 0);
    }
    /* Verdicts change only when a minute begins: until then the host need not ask again. */
    uint64_t cache_ms = (uint64_t)(60 - (local.tm_sec < 60 ? local.tm_sec : 59)) * 1000;
    unsigned minutes = (unsigned)(local.tm_hour * 60 + local.tm_min);
    if (!is_open(hours->opens, hours->closes, minutes)) {
        return closed(decision, "closed at this time of day", cache_ms);
    }
    if (hours->closed_days == NULL) {
        return MUSTER_DEFER;
    }
    char today[DATE_BYTES];
    strftime(today, sizeof today, "%Y-%m-%d", &local);
    bool fresh = hours->day != DAY_UNKNOWN && strcmp(today, hours->sought) == 0 &&
                 now >= hours->read_at && now - hours->read_at < FRESH_SECONDS;
    if (hours->reading || !fresh) {
        return wait_for_days(hours, handle, today, decision);
    }
    return judge_day(hours->day, cache_ms, decision);
}

static const struct muster_config_key keys[] = {
    {"sessions", MUSTER_CONFIG_TEXT, false, "", 0, 128,
     "What the names of the sessions begin with"},
    {"opens", MUSTER_CONFIG_TEXT, true, NULL, 4, 5, "From then on; local time, such as 08:00"},
    {"closes", MUSTER_CONFIG_TEXT, true, NULL, 4, 5, "No longer from then on; 24:00: midnight"},
    {"closed_days", MUSTER_CONFIG_TEXT, false, NULL, 1, 4096, "File of dates, one a line"},
};

static const char *text_of(const struct hours *hours, const char *key) {
    const struct muster_config *node = hours->host->config_get(hours->plugin, NULL, key);
    return node != NULL ? hours->host->config_text(hours->plugin, node) : NULL;
}

static bool clock_of(const struct hours *hours, const char *key, unsigned *minutes,
                     struct muster_complaint *complaint) {
    if (read_clock(text_of(hours, key), minutes)) {
        return true;
    }
    snprintf(
        complaint->text, sizeof complaint->text, "%s: %s: '%s' is no time of day such as 08:00",
        hours->host->config_place(hours->plugin, hours->host->config_get(hours->plugin, NULL, key)),
        key, text_of(hours, key));
    return false;
}

static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    struct hours *hours = calloc(1, sizeof *hours);
    if (hours == NULL) {
        snprintf(complaint->text, sizeof complaint->text, "out of memory");
        return MUSTER_OVERLOADED;
    }
    hours->plugin = plugin;
    hours->host = host;
    hours->sessions = text_of(hours, "sessions");
    hours->closed_days = text_of(hours, "closed_days");
    if (!clock_of(hours, "opens", &hours->opens, complaint) ||
        !clock_of(hours, "closes", &hours->closes, complaint)) {
        free(hours); /* close() is not called after an init that failed */
        return MUSTER_BAD_REQUEST;
    }
    *state = hours;
    return MUSTER_OK;
}

static void on_stop(void *state) {
    struct hours *hours = state;
    hours->stopping = true;
    if (!hours->reading) {
        hours->host->stopped(hours->plugin);
    }
}

static const struct muster_plugin_hooks hooks = {.init = on_init, .stop = on_stop, .close = free};
static const struct muster_authorizer_hooks authorizer = {.authorize = on_authorize};

MUSTER_PLUGIN(MUSTER_AUTHORIZER, "authorizer_hours", "1.0", keys, sizeof keys / sizeof keys[0],
              &hooks, NULL, NULL, &authorizer, NULL);
