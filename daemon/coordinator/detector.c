#include "coordinator/detector.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"

#define RETRY_MS 500         /* after a verdict whose outcome is unknown */
#define RETRY_BROKEN_MS 5000 /* after one that Redis cannot carry out */
#define ALIVE_LIMIT 3        /* so often ALIVE: inbox and lifeline are not believed any more */
#define INBOX_CLOSED 2       /* probes in a row */
#define LIFELINE_SLACK_MS 100

struct instance {
    char id[MU_ID_SIZE];
    char incarnation[MU_ID_SIZE];
    char score[MU_SCORE_SIZE];
    bool suspect;
    bool draining;
    bool details_due;
    bool polled;             /* seen in the poll that is under way */
    bool moved;              /* its score changed in the last poll, by its own doing */
    bool written;            /* we wrote its heartbeat: the next change is ours */
    bool score_stale;        /* ALIVE: another score is there by now */
    bool asked;              /* a verdict is under way */
    char cut[MU_ID_SIZE];    /* the incarnation whose lifeline was cut, no sign of life since; "" */
    char cut_by[MU_ID_SIZE]; /* the daemon that said so */
    uint64_t cut_quiet_ms;
    bool inbox_open; /* seen with a subscriber since the last reset or suspicion */
    unsigned inbox_zero;
    unsigned alive_answers; /* in a row */
    uint64_t heard_at;      /* last sign of life, or when we began to look */
    const char *heard_by;   /* see struct mu_verdict */
    uint64_t channel_at;    /* last heartbeat on the channel; 0: none */
    uint64_t retry_at;
    UT_hash_handle hh;
};

struct mu_detector {
    uint64_t suspect_after_ms;
    uint64_t dead_after_ms;
    uint64_t next_suspect_after_ms; /* shorter ones, from `next_at` on; 0: none */
    uint64_t next_dead_after_ms;
    uint64_t next_at;
    struct instance *instances;
    struct instance *probed_next; /* whose inbox is probably told next; NULL: the first one's */
    uint64_t version;             /* of the set of instances */
    uint64_t none_before;         /* nobody is due earlier, unless it is set to 0 before */
    bool seeing;
    uint64_t poll_sent;
    uint64_t last_poll_sent;
};

struct mu_detector *mu_detector_create(uint64_t suspect_after_ms, uint64_t dead_after_ms) {
    assert(suspect_after_ms > 0 && suspect_after_ms < dead_after_ms);
    struct mu_detector *detector = mu_calloc(1, sizeof *detector);
    detector->suspect_after_ms = suspect_after_ms;
    detector->dead_after_ms = dead_after_ms;
    detector->seeing = true;
    return detector;
}

/* Somebody may be due sooner than was thought. Whoever changes what due_at() looks at calls it; not
 * for a sign of life, which only puts off. */
static void look_again(struct mu_detector *detector) {
    detector->none_before = 0;
}

static uint64_t longer(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Those that waited count now, if their time has come. */
static void settle_times(struct mu_detector *detector, uint64_t now) {
    if (detector->next_suspect_after_ms > 0 && now >= detector->next_at) {
        detector->suspect_after_ms = detector->next_suspect_after_ms;
        detector->dead_after_ms = detector->next_dead_after_ms;
        detector->next_suspect_after_ms = 0;
        look_again(detector);
    }
}

void mu_detector_set_times(struct mu_detector *detector, uint64_t now, uint64_t not_before,
                           uint64_t suspect_after_ms, uint64_t dead_after_ms) {
    assert(suspect_after_ms > 0 && suspect_after_ms < dead_after_ms);
    settle_times(detector, now);
    /* Two changes in a row: who was told the first may not know of the second yet. */
    detector->next_at =
        longer(detector->next_suspect_after_ms > 0 ? detector->next_at : 0, not_before);
    detector->next_suspect_after_ms = suspect_after_ms;
    detector->next_dead_after_ms = dead_after_ms;
    detector->suspect_after_ms = longer(detector->suspect_after_ms, suspect_after_ms);
    detector->dead_after_ms = longer(detector->dead_after_ms, dead_after_ms);
    settle_times(detector, now);
    look_again(detector);
}

void mu_detector_clear(struct mu_detector *detector) {
    struct instance *next = detector->instances;
    HASH_CLEAR(hh, detector->instances);
    while (next != NULL) {
        struct instance *instance = next;
        next = instance->hh.next;
        free(instance);
    }
    detector->poll_sent = 0;
    detector->last_poll_sent = 0;
    detector->probed_next = NULL;
    detector->version++;
    look_again(detector);
}

void mu_detector_destroy(struct mu_detector **detector) {
    if (*detector == NULL)
        return;
    mu_detector_clear(*detector);
    free(*detector);
    *detector = NULL;
}

static struct instance *find(const struct mu_detector *detector, const char *id) {
    struct instance *instance = NULL;
    HASH_FIND_STR(detector->instances, id, instance);
    return instance;
}

static void forget(struct mu_detector *detector, struct instance *instance) {
    if (detector->probed_next == instance)
        detector->probed_next = NULL;
    detector->version++;
    HASH_DEL(detector->instances, instance);
    free(instance);
}

static bool is_cut(const struct instance *instance) {
    return instance->cut[0] != '\0' && strcmp(instance->cut, instance->incarnation) == 0;
}

/* What inbox and lifeline said has been acted upon, or is not believed. */
static void use_up(struct instance *instance) {
    instance->cut[0] = '\0';
    instance->inbox_open = false;
    instance->inbox_zero = 0;
}

/* What was said about its lifeline is of one incarnation and stays. */
static void begin_anew(struct instance *instance, uint64_t now) {
    instance->heard_at = now;
    instance->heard_by = "nothing";
    instance->channel_at = 0;
    instance->alive_answers = 0;
    instance->retry_at = 0;
    instance->inbox_open = false;
    instance->inbox_zero = 0;
}

void mu_detector_reset(struct mu_detector *detector, uint64_t now) {
    struct instance *instance = NULL;
    struct instance *next = NULL;
    HASH_ITER(hh, detector->instances, instance, next) {
        begin_anew(instance, now);
        use_up(instance);
    }
    look_again(detector);
}

void mu_detector_sight(struct mu_detector *detector, uint64_t now, bool seeing) {
    settle_times(detector, now);
    if (seeing && !detector->seeing)
        mu_detector_reset(detector, now);
    detector->seeing = seeing;
}

void mu_detector_poll_begin(struct mu_detector *detector, uint64_t sent_at) {
    struct instance *instance = NULL;
    struct instance *next = NULL;
    HASH_ITER(hh, detector->instances, instance, next) {
        instance->polled = false;
        instance->moved = false;
    }
    detector->last_poll_sent = detector->poll_sent;
    detector->poll_sent = sent_at;
}

static struct instance *discover(struct mu_detector *detector, uint64_t now, const char *id) {
    struct instance *instance = mu_calloc(1, sizeof *instance);
    snprintf(instance->id, sizeof instance->id, "%s", id);
    instance->details_due = true;
    begin_anew(instance, now);
    HASH_ADD_STR(detector->instances, id, instance);
    detector->version++;
    look_again(detector);
    return instance;
}

void mu_detector_poll_score(struct mu_detector *detector, uint64_t now, const char *id,
                            const char *score) {
    size_t length = strlen(score);
    if (length >= MU_SCORE_SIZE)
        return;
    struct instance *instance = find(detector, id);
    if (instance == NULL) {
        if (!mu_id_valid(id, strlen(id)))
            return;
        instance = discover(detector, now, id);
    }
    instance->polled = true;
    if (instance->score_stale)
        look_again(detector);
    instance->score_stale = false;
    if (strcmp(instance->score, score) == 0)
        return;
    bool known = instance->score[0] != '\0';
    memcpy(instance->score, score, length + 1);
    if (!known)
        return;
    if (instance->written) {
        instance->written = false;
        return;
    }
    instance->moved = true;
    /* A heartbeat also sounds on the channel. If we heard one since the last poll, this change is
     * that one, and counts from when it was heard. */
    if (instance->channel_at == 0 || instance->channel_at < detector->last_poll_sent) {
        instance->heard_at = now;
        instance->heard_by = "score";
        if (is_cut(instance))
            instance->cut[0] = '\0';
    }
    if (instance->suspect)
        instance->details_due = true;
}

void mu_detector_poll_end(struct mu_detector *detector) {
    struct instance *instance = NULL;
    struct instance *next = NULL;
    HASH_ITER(hh, detector->instances, instance, next) {
        if (!instance->polled)
            forget(detector, instance);
    }
}

void mu_detector_details(struct mu_detector *detector, uint64_t now, const char *id,
                         const char *incarnation, bool suspect, bool draining) {
    struct instance *instance = find(detector, id);
    if (instance == NULL)
        return;
    instance->details_due = false;
    if (incarnation == NULL || !mu_id_valid(incarnation, strlen(incarnation)))
        incarnation = ""; /* nothing can be decided about it until it says who it is */
    if (strcmp(instance->incarnation, incarnation) != 0) {
        snprintf(instance->incarnation, sizeof instance->incarnation, "%s", incarnation);
        instance->asked = false; /* what is under way is about another one */
        instance->written = false;
        begin_anew(instance, now);
        look_again(detector);
    }
    if (instance->suspect != suspect)
        look_again(detector);
    instance->suspect = suspect;
    instance->draining = draining;
}

void mu_detector_details_due(struct mu_detector *detector, const char *id) {
    struct instance *instance = find(detector, id);
    if (instance != NULL)
        instance->details_due = true;
}

enum mu_heard mu_detector_heard(struct mu_detector *detector, uint64_t now, const char *id,
                                const char *incarnation) {
    struct instance *instance = find(detector, id);
    if (instance == NULL)
        return MU_HEARD_UNKNOWN;
    if (strcmp(instance->cut, incarnation) == 0)
        instance->cut[0] = '\0';
    if (strcmp(instance->incarnation, incarnation) != 0) {
        instance->details_due = true;
        return MU_HEARD_OTHER;
    }
    instance->heard_at = now;
    instance->heard_by = "channel";
    instance->channel_at = now;
    if (!instance->suspect)
        return MU_HEARD;
    instance->details_due = true;
    return MU_HEARD_SUSPECT;
}

void mu_detector_written(struct mu_detector *detector, const char *id) {
    struct instance *instance = find(detector, id);
    if (instance != NULL)
        instance->written = true;
}

bool mu_detector_moved(const struct mu_detector *detector, const char *id) {
    const struct instance *instance = find(detector, id);
    return instance != NULL && instance->moved;
}

bool mu_detector_suspects(const struct mu_detector *detector, const char *id) {
    const struct instance *instance = find(detector, id);
    return instance != NULL && instance->suspect;
}

void mu_detector_revived(struct mu_detector *detector, const char *id) {
    struct instance *instance = find(detector, id);
    if (instance != NULL)
        instance->suspect = false;
    look_again(detector);
}

/* Most answers name the instances in the order in which they stand here. */
static struct instance *find_probed(struct mu_detector *detector, const char *id) {
    struct instance *instance =
        detector->probed_next != NULL ? detector->probed_next : detector->instances;
    if (instance == NULL || strcmp(instance->id, id) != 0)
        instance = find(detector, id);
    if (instance != NULL)
        detector->probed_next = instance->hh.next;
    return instance;
}

bool mu_detector_inbox(struct mu_detector *detector, const char *id, uint64_t subscribers) {
    struct instance *instance = find_probed(detector, id);
    if (instance == NULL)
        return false;
    if (subscribers > 0) {
        instance->inbox_open = true;
        instance->inbox_zero = 0;
        return false;
    }
    if (!instance->inbox_open)
        return false;
    if (instance->inbox_zero < INBOX_CLOSED)
        instance->inbox_zero++;
    look_again(detector);
    return instance->inbox_zero == 1;
}

bool mu_detector_lifeline(struct mu_detector *detector, uint64_t now, const char *id,
                          const char *incarnation, uint64_t quiet_ms, const char *daemon) {
    if (!mu_id_valid(id, strlen(id)) || !mu_id_valid(incarnation, strlen(incarnation)))
        return false;
    /* Started a moment ago, perhaps. If not, the next poll forgets it. */
    struct instance *instance = find(detector, id);
    if (instance == NULL)
        instance = discover(detector, now, id);
    uint64_t answered_at = quiet_ms < now ? now - quiet_ms : 0;
    if (strcmp(instance->incarnation, incarnation) == 0 &&
        instance->channel_at > answered_at + LIFELINE_SLACK_MS)
        return false;
    /* Of a suspect, too: it may be up by now, and we do not know yet. */
    snprintf(instance->cut, sizeof instance->cut, "%s", incarnation);
    snprintf(instance->cut_by, sizeof instance->cut_by, "%s", daemon);
    instance->cut_quiet_ms = quiet_ms;
    instance->score_stale = true; /* it may have moved since the last poll */
    look_again(detector);
    return true;
}

static uint64_t silence(const struct instance *instance, uint64_t now) {
    return now > instance->heard_at ? now - instance->heard_at : 0;
}

/* When the next verdict on it is due, if nothing else happens to it. */
static uint64_t due_at(const struct mu_detector *detector, const struct instance *instance) {
    if (instance->score_stale || instance->incarnation[0] == '\0')
        return UINT64_MAX;
    uint64_t after = instance->suspect ? detector->dead_after_ms : detector->suspect_after_ms;
    bool closed = is_cut(instance) || instance->inbox_zero >= INBOX_CLOSED;
    uint64_t at = closed && !instance->suspect ? 0 : instance->heard_at + after;
    return longer(at, instance->retry_at);
}

static bool is_due(const struct mu_detector *detector, const struct instance *instance,
                   uint64_t now) {
    return now >= due_at(detector, instance);
}

bool mu_detector_view(struct mu_detector *detector, uint64_t now, uint64_t cleared,
                      struct mu_brake_view *view) {
    uint64_t first = UINT64_MAX;
    memset(view, 0, sizeof *view);
    view->instances = HASH_COUNT(detector->instances);
    if (!detector->seeing || now < detector->none_before)
        return false;
    struct instance *instance = NULL;
    struct instance *next = NULL;
    HASH_ITER(hh, detector->instances, instance, next) {
        uint64_t at = due_at(detector, instance);
        view->suspects += instance->suspect ? 1 : 0;
        view->becoming += now >= at && !instance->suspect ? 1 : 0;
        view->fresh = view->fresh || (now >= at && instance->heard_at > cleared);
        first = at < first ? at : first;
    }
    detector->none_before = first;
    return now >= first;
}

static void propose(const struct mu_detector *detector, const struct instance *instance,
                    uint64_t now, struct mu_verdict *verdict) {
    uint64_t silent = silence(instance, now);
    memset(verdict, 0, sizeof *verdict);
    verdict->kind = instance->suspect ? MU_VERDICT_BURY : MU_VERDICT_SUSPECT;
    verdict->cause = silent >= detector->suspect_after_ms ? "silence"
                     : is_cut(instance)                   ? "lifeline"
                                                          : "inbox";
    verdict->silent_ms = silent;
    verdict->heard_by = instance->heard_by;
    if (strcmp(verdict->cause, "lifeline") == 0) {
        snprintf(verdict->daemon, sizeof verdict->daemon, "%s", instance->cut_by);
        verdict->quiet_ms = instance->cut_quiet_ms;
    }
    snprintf(verdict->instance, sizeof verdict->instance, "%s", instance->id);
    snprintf(verdict->incarnation, sizeof verdict->incarnation, "%s", instance->incarnation);
    snprintf(verdict->score, sizeof verdict->score, "%s", instance->score);
}

size_t mu_detector_tick(struct mu_detector *detector, uint64_t now, uint64_t permit,
                        struct mu_verdict *verdicts, size_t room) {
    size_t count = 0;
    if (!detector->seeing)
        return 0;
    struct instance *instance = NULL;
    struct instance *next = NULL;
    HASH_ITER(hh, detector->instances, instance, next) {
        if (count == room)
            break;
        if (!instance->asked && instance->heard_at <= permit && is_due(detector, instance, now)) {
            propose(detector, instance, now, &verdicts[count++]);
            instance->asked = true;
        }
    }
    return count;
}

static void on_alive(struct instance *instance) {
    /* What it moved to, and whether by its own doing, says the poll that follows. */
    instance->score_stale = true;
    if (++instance->alive_answers >= ALIVE_LIMIT) {
        instance->alive_answers = 0;
        use_up(instance);
    }
}

bool mu_detector_result(struct mu_detector *detector, uint64_t now,
                        const struct mu_verdict *verdict, enum muster_status status) {
    struct instance *instance = find(detector, verdict->instance);
    if (instance == NULL || strcmp(instance->incarnation, verdict->incarnation) != 0)
        return false;
    instance->asked = false;
    look_again(detector);
    switch (status) {
    case MUSTER_OK:
        if (verdict->kind == MU_VERDICT_BURY) {
            forget(detector, instance);
            return true;
        }
        instance->suspect = true;
        instance->alive_answers = 0;
        use_up(instance);
        return false;
    case MUSTER_ALIVE:
        on_alive(instance);
        return true;
    case MUSTER_STALE_INCARNATION:
        instance->details_due = true;
        instance->retry_at = now + RETRY_MS;
        return true;
    case MUSTER_UNKNOWN_INSTANCE:
        forget(detector, instance);
        return true;
    case MUSTER_TIMEOUT:
    case MUSTER_UNAVAILABLE:
    case MUSTER_OVERLOADED:
    case MUSTER_STALE_EPOCH:
        instance->retry_at = now + RETRY_MS;
        return false;
    default:
        instance->retry_at = now + RETRY_BROKEN_MS;
        return false;
    }
}

size_t mu_detector_count(const struct mu_detector *detector) {
    return HASH_COUNT(detector->instances);
}

uint64_t mu_detector_version(const struct mu_detector *detector) {
    return detector->version;
}

void mu_detector_each(const struct mu_detector *detector,
                      void (*each)(void *context, const struct mu_detector_instance *instance),
                      void *context) {
    struct instance *instance = NULL;
    struct instance *next = NULL;
    HASH_ITER(hh, detector->instances, instance, next) {
        struct mu_detector_instance look = {
            .instance = instance->id,
            .incarnation = instance->incarnation,
            .suspect = instance->suspect,
            .draining = instance->draining,
            .details_due = instance->details_due,
        };
        each(context, &look);
    }
}
