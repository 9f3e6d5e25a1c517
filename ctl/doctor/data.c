/* data.c - what stands still though it should move, and what contradicts itself.
 *
 * Each is looked at twice and more: what is suspicious at one moment is normal while a failover is
 * under way. All looks are bounded; what was left out is said. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "doctor/doctor.h"
#include "registry/call.h"
#include "registry/looks.h"

#define PAGE 500
#define PAGES 20 /* of sessions, spread over all of them */
#define SUSPICIOUS_MAX 64
#define CANDIDATES "16" /* looked at of one session; the first that may lead is enough */
#define GHOSTS_MAX 200
#define INSTANCES_MAX "5000"
#define LOOK_FOR_MS 2000 /* at the invariants; fsck looks at all */
#define LOOK_BUDGET "32"
#define LOOKS_AGAIN_MS 200
#define LOOKS_SUSPECTS 1000

static bool nobody_coordinates(struct mu_doctor *doctor) {
    if (doctor->idle) {
        mu_doctor_cannot(doctor, "nobody coordinates, so nothing moves (see 'lease')");
    }
    return doctor->idle;
}

void mu_check_brake(struct mu_doctor *doctor) {
    redisReply *reply = mu_ask(doctor->ctl, "GET {%s}:brake", doctor->ctl->name_space);
    int64_t now = mu_ask_now(doctor->ctl);
    if (!mu_doctor_refused(doctor, reply) && mu_reply_is_text(reply)) {
        const char *at = strstr(reply->str, "\"at\":");
        int64_t since = at != NULL ? strtoll(at + 5, NULL, 10) : now;
        mu_doctor_found(doctor, "BRAKE_HOLDS", NULL, "the brake holds since %.1f s: %s",
                        (double)(now - since) / 1000.0, reply->str);
    }
    freeReplyObject(reply);
    mu_doctor_saw(doctor, "it does not hold");
}

/* ---- leaders ---- */

struct leaders {
    struct mu_doctor *doctor;
    char *generation;
    char *names[SUSPICIOUS_MAX]; /* sessions without a leader, of this generation */
    size_t count;
    int64_t looked, all;
};

static void look_at_page(struct leaders *leaders, int64_t from) {
    struct mu_ctl *ctl = leaders->doctor->ctl;
    const char *ns = ctl->name_space;
    redisReply *page = mu_ask(ctl, "ZRANGE {%s}:sessions %lld %lld", ns, (long long)from,
                              (long long)from + PAGE - 1);
    size_t count = mu_reply_count(page);
    for (size_t i = 0; i < count; i++) {
        mu_send(ctl, "HMGET {%s}:session:%s #leader #gen", ns, mu_reply_text(page->element[i]));
    }
    for (size_t i = 0; i < count; i++) {
        redisReply *fields = mu_receive(ctl);
        const char *leader = mu_reply_text(mu_reply_at(fields, 0));
        const char *generation = mu_reply_text(mu_reply_at(fields, 1));
        leaders->looked++;
        /* One of an older generation is led again when somebody writes to it. */
        if (leader[0] == '\0' && strcmp(generation, leaders->generation) == 0 &&
            leaders->count < SUSPICIOUS_MAX) {
            leaders->names[leaders->count++] = mu_strdup(mu_reply_text(page->element[i]));
        }
        freeReplyObject(fields);
    }
    freeReplyObject(page);
}

/* Is there a member who may lead, and nobody leads? */
static bool stands_still(struct mu_ctl *ctl, const char *session) {
    const char *ns = ctl->name_space;
    bool may = false;
    redisReply *leader = mu_ask(ctl, "HGET {%s}:session:%s #leader", ns, session);
    bool led = mu_reply_text(leader)[0] != '\0';
    freeReplyObject(leader);
    redisReply *list =
        led ? NULL : mu_ask(ctl, "ZRANGE {%s}:session:%s:candidates 0 " CANDIDATES, ns, session);
    for (size_t i = 0; i < mu_reply_count(list) && !may; i++) {
        char entry[512]; /* <connection>/<instance>/<incarnation> */
        char *rest = NULL;
        snprintf(entry, sizeof entry, "%s", mu_reply_text(mu_reply_at(list, i)));
        strtok_r(entry, "/", &rest);
        const char *instance = strtok_r(NULL, "/", &rest);
        const char *incarnation = strtok_r(NULL, "/", &rest);
        if (instance == NULL || incarnation == NULL) {
            continue;
        }
        redisReply *about =
            mu_ask(ctl, "HMGET {%s}:instance:%s incarnation state draining", ns, instance);
        may = strcmp(mu_reply_text(mu_reply_at(about, 0)), incarnation) == 0 &&
              strcmp(mu_reply_text(mu_reply_at(about, 1)), "up") == 0 &&
              strcmp(mu_reply_text(mu_reply_at(about, 2)), "1") != 0;
        freeReplyObject(about);
    }
    freeReplyObject(list);
    return may;
}

/* Forgets those that have a leader by now. */
static bool all_are_led(void *context) {
    struct leaders *leaders = context;
    size_t left = 0;
    for (size_t i = 0; i < leaders->count; i++) {
        if (stands_still(leaders->doctor->ctl, leaders->names[i])) {
            leaders->names[left++] = leaders->names[i];
        } else {
            free(leaders->names[i]);
        }
    }
    leaders->count = left;
    return left == 0;
}

void mu_check_leaders(struct mu_doctor *doctor) {
    const char *ns = doctor->ctl->name_space;
    struct leaders leaders = {.doctor = doctor};
    if (nobody_coordinates(doctor)) {
        return;
    }
    redisReply *generation = mu_ask(doctor->ctl, "HGET {%s}:config generation", ns);
    redisReply *size = mu_ask(doctor->ctl, "ZCARD {%s}:sessions", ns);
    if (!mu_doctor_refused(doctor, generation) && !mu_doctor_refused(doctor, size)) {
        leaders.generation = mu_strdup(mu_reply_text(generation));
        leaders.all = mu_reply_number(size, 0);
        int64_t pages = (leaders.all + PAGE - 1) / PAGE;
        int64_t step = pages > PAGES ? pages / PAGES : 1;
        for (int64_t page = 0; page < pages && leaders.looked < (int64_t)PAGE * PAGES;
             page += step) {
            look_at_page(&leaders, page * PAGE);
        }
        if (!mu_doctor_settles(doctor, all_are_led, &leaders) && !doctor->ctl->lost) {
            mu_doctor_found(doctor, "LEADERLESS", NULL,
                            "%zu sessions have members who may lead and no leader, one is '%s'",
                            leaders.count, leaders.names[0]);
        }
        mu_doctor_saw(doctor, "looked at %" PRId64 " of %" PRId64 " sessions", leaders.looked,
                      leaders.all);
    }
    for (size_t i = 0; i < leaders.count; i++) {
        free(leaders.names[i]);
    }
    free(leaders.generation);
    freeReplyObject(generation);
    freeReplyObject(size);
}

/* ---- ghosts ---- */

struct ghosts {
    struct mu_doctor *doctor;
    redisReply *due; /* their names */
    int64_t *sizes;  /* at first */
    const char *stands;
    int64_t stands_at;
};

/* What is left of it to be reaped; 0: nothing. */
static int64_t ghost_size(struct mu_ctl *ctl, const char *name) {
    const char *ns = ctl->name_space;
    redisReply *listed = mu_ask(ctl, "ZSCORE {%s}:ghosts %s", ns, name);
    redisReply *records = mu_ask(ctl, "HLEN {%s}:ghosts:%s", ns, name);
    redisReply *leads = mu_ask(ctl, "SCARD {%s}:ghosts:%s:leads", ns, name);
    int64_t size = mu_reply_number(records, 0) + mu_reply_number(leads, 0);
    if (!mu_reply_is_text(listed)) {
        size = 0;
    } else if (size == 0) {
        size = 1; /* an empty one is there still */
    }
    freeReplyObject(listed);
    freeReplyObject(records);
    freeReplyObject(leads);
    return size;
}

static bool all_shrink(void *context) {
    struct ghosts *ghosts = context;
    ghosts->stands = NULL;
    for (size_t i = 0; i < mu_reply_count(ghosts->due) && ghosts->stands == NULL; i++) {
        const char *name = mu_reply_text(ghosts->due->element[i]);
        int64_t size = ghosts->sizes[i] > 0 ? ghost_size(ghosts->doctor->ctl, name) : 0;
        if (size > 0 && size >= ghosts->sizes[i]) {
            ghosts->stands = name;
            ghosts->stands_at = size;
        }
    }
    return ghosts->stands == NULL;
}

void mu_check_ghosts(struct mu_doctor *doctor) {
    const char *ns = doctor->ctl->name_space;
    struct ghosts ghosts = {.doctor = doctor};
    if (nobody_coordinates(doctor)) {
        return;
    }
    redisReply *all = mu_ask(doctor->ctl, "ZCARD {%s}:ghosts", ns);
    ghosts.due = mu_ask(doctor->ctl, "ZRANGEBYSCORE {%s}:ghosts -inf %lld LIMIT 0 %d", ns,
                        (long long)mu_ask_now(doctor->ctl), GHOSTS_MAX);
    if (!mu_doctor_refused(doctor, all) && !mu_doctor_refused(doctor, ghosts.due)) {
        size_t count = mu_reply_count(ghosts.due);
        ghosts.sizes = mu_calloc(count + 1, sizeof *ghosts.sizes);
        for (size_t i = 0; i < count; i++) {
            ghosts.sizes[i] = ghost_size(doctor->ctl, mu_reply_text(ghosts.due->element[i]));
        }
        if (count > 0 && !mu_doctor_settles(doctor, all_shrink, &ghosts) && !doctor->ctl->lost) {
            mu_doctor_found(doctor, "GHOST_STANDS", ghosts.stands,
                            "ghost %s stays at %" PRId64 " entries for %.1f s, though it is due",
                            ghosts.stands, ghosts.stands_at, (double)doctor->patience_ms / 1000.0);
        }
        mu_doctor_saw(doctor, "%" PRId64 " ghosts, %zu of them due and shrinking",
                      mu_reply_number(all, 0), count);
    }
    free(ghosts.sizes);
    freeReplyObject(ghosts.due);
    freeReplyObject(all);
}

/* ---- suspects ---- */

struct suspects {
    struct mu_doctor *doctor;
    uint64_t long_ms;
    int64_t silent_ms;
    char name[160]; /* the first that stands too long; "": none */
    int64_t count;
};

/* Only who has been silent for long is asked for its state: the scores are in order. */
static bool none_stands(void *context) {
    struct suspects *suspects = context;
    struct mu_ctl *ctl = suspects->doctor->ctl;
    const char *ns = ctl->name_space;
    int64_t now = mu_ask_now(ctl);
    redisReply *silent =
        mu_ask(ctl, "ZRANGEBYSCORE {%s}:instances -inf %lld WITHSCORES LIMIT 0 " INSTANCES_MAX, ns,
               (long long)(now - (int64_t)suspects->long_ms));
    suspects->count = 0;
    for (size_t i = 0; i + 1 < mu_reply_count(silent); i += 2) {
        const char *name = mu_reply_text(silent->element[i]);
        redisReply *state = mu_ask(ctl, "HGET {%s}:instance:%s state", ns, name);
        if (strcmp(mu_reply_text(state), "suspect") == 0 && suspects->count++ == 0) {
            snprintf(suspects->name, sizeof suspects->name, "%s", name);
            suspects->silent_ms = now - mu_reply_number(silent->element[i + 1], now);
        }
        freeReplyObject(state);
    }
    bool refused = mu_doctor_refused(suspects->doctor, silent);
    freeReplyObject(silent);
    return refused || suspects->count == 0;
}

void mu_check_suspects(struct mu_doctor *doctor) {
    struct suspects suspects = {.doctor = doctor,
                                .long_ms = doctor->config->detector.dead_after_ms * 2};
    if (nobody_coordinates(doctor)) {
        return;
    }
    if (!mu_doctor_settles(doctor, none_stands, &suspects) && !doctor->ctl->lost) {
        mu_doctor_found(doctor, "SUSPECT_STANDS", suspects.name,
                        "%" PRId64 " instances are suspect for too long; '%s' is silent for %.1f s",
                        suspects.count, suspects.name, (double)suspects.silent_ms / 1000.0);
    }
    mu_doctor_saw(doctor, "none is suspect for more than %.0f s",
                  (double)suspects.long_ms / 1000.0);
}

/* ---- journal and listeners ---- */

void mu_check_journal(struct mu_doctor *doctor) {
    const char *ns = doctor->ctl->name_space;
    redisReply *length = mu_ask(doctor->ctl, "XLEN {%s}:journal", ns);
    redisReply *setting = mu_ask(doctor->ctl, "HGET {%s}:config journal", ns);
    int64_t most = mu_reply_number(setting, (int64_t)doctor->config->limits.journal);
    int64_t entries = mu_reply_number(length, 0);
    char limit[32];
    snprintf(limit, sizeof limit, "%" PRId64, most);
    if (length != NULL && length->type == REDIS_REPLY_ERROR &&
        strncmp(length->str, "WRONGTYPE", 9) == 0) {
        mu_doctor_found(doctor, "JOURNAL_DAMAGED", NULL, "the journal is no stream");
    } else if (!mu_doctor_refused(doctor, length)) {
        /* It is trimmed by whole nodes of some hundred entries. */
        if (entries > most * 2 + 1000) {
            mu_doctor_found(doctor, "JOURNAL_LONG", limit,
                            "the journal has %" PRId64 " entries, limits.journal is %" PRId64,
                            entries, most);
        }
        if (most == 0) {
            mu_doctor_saw(doctor, "there is none (limits.journal is 0), so explain knows nothing");
        } else {
            mu_doctor_saw(doctor, "%" PRId64 " of about %" PRId64 " entries", entries, most);
        }
    }
    freeReplyObject(length);
    freeReplyObject(setting);
}

void mu_check_listeners(struct mu_doctor *doctor) {
    const struct muster_config *given = NULL;
    if (!mu_doctor_loads(doctor, "transport_pubsub", &given)) {
        mu_doctor_need_not(doctor, "%s",
                           doctor->config_path != NULL ? "the configuration loads no pub/sub door"
                                                       : "no configuration was named");
        return;
    }
    redisReply *reply = mu_ask(doctor->ctl, "PUBSUB NUMSUB {%s}:request", doctor->ctl->name_space);
    if (!mu_doctor_refused(doctor, reply)) {
        int64_t count = mu_reply_number(mu_reply_at(reply, 1), 0);
        if (count == 0) {
            mu_doctor_found(doctor, "NO_LISTENER", NULL,
                            "the configuration loads transport_pubsub, but nobody listens to "
                            "{%s}:request",
                            doctor->ctl->name_space);
        }
        mu_doctor_saw(doctor, "%" PRId64 " daemons listen to requests", count);
    }
    freeReplyObject(reply);
}

/* ---- the invariants ---- */

struct damage {
    struct mu_doctor *doctor;
    uint64_t count;
    char first[256];
};

/* Leaders, ghosts and the lease have checks of their own, the quarantine a code. */
static void on_damage(void *context, const struct mu_looks_finding *finding) {
    struct damage *damage = context;
    int invariant = finding->info->invariant;
    const char *code = finding->info->code;
    if (invariant == 1 || invariant == 9 || strcmp(code, "GHOST_OVERDUE") == 0 ||
        strcmp(code, "QUARANTINED") == 0) {
        return;
    }
    if (damage->count++ == 0) {
        snprintf(damage->first, sizeof damage->first, "%s {%s}:%s %s", finding->info->code,
                 damage->doctor->ctl->name_space, finding->key, finding->what);
    }
}

/* False: it cannot go on. */
static bool look(struct mu_doctor *doctor, struct mu_looks *looks,
                 const struct mu_looks_question *question) {
    struct mu_answer answer;
    if (strcmp(question->kind, MU_LOOKS_RECOUNT) == 0) {
        mu_looks_leave(looks); /* too large for here: fsck counts it */
        return true;
    }
    redisReply *reply =
        mu_ask(doctor->ctl, "FCALL muster_look 1 {%s} - %s %s %s " LOOK_BUDGET,
               doctor->ctl->name_space, question->kind, question->name, question->cursor);
    bool refused = mu_doctor_refused(doctor, reply);
    if (!refused) {
        mu_answer_read(reply, &answer);
        mu_looks_take(looks, mu_clock_boottime_ms(), answer.json, answer.length);
    }
    freeReplyObject(reply);
    return !refused;
}

void mu_check_data(struct mu_doctor *doctor) {
    struct damage damage = {.doctor = doctor};
    struct mu_looks_question question;
    uint64_t wait_until = 0;
    uint64_t begin = mu_clock_boottime_ms();
    uint64_t now = begin;
    enum mu_looks_step step = MU_LOOKS_WAIT;
    redisReply *quarantine = mu_ask(doctor->ctl, "HLEN {%s}:quarantine", doctor->ctl->name_space);
    if (mu_reply_number(quarantine, 0) > 0) {
        mu_doctor_found(doctor, "QUARANTINE", NULL, "%lld records lie in quarantine",
                        (long long)mu_reply_number(quarantine, 0));
    }
    freeReplyObject(quarantine);
    struct mu_looks *looks = mu_looks_create(&(struct mu_looks_options){
        .again_ms = LOOKS_AGAIN_MS,
        .patience_ms = doctor->patience_ms,
        .suspects_max = LOOKS_SUSPECTS,
        .context = &damage,
        .on_finding = on_damage,
    });
    mu_looks_begin(looks);
    while (now - begin < LOOK_FOR_MS && step != MU_LOOKS_DONE) {
        step = mu_looks_next(looks, now, &question, &wait_until);
        if (step == MU_LOOKS_ASK && !look(doctor, looks, &question)) {
            break;
        }
        if (step == MU_LOOKS_WAIT && wait_until > now) {
            poll(NULL, 0, (int)(wait_until - now));
        }
        now = mu_clock_boottime_ms();
    }
    uint64_t checked = 0;
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        checked += mu_looks_checked(looks, i);
    }
    mu_looks_destroy(&looks);
    if (damage.count > 0) {
        mu_doctor_found(doctor, "DATA_DAMAGED", NULL, "%" PRIu64 " findings of fsck, the first: %s",
                        damage.count, damage.first);
    }
    mu_doctor_saw(doctor, "%" PRIu64 " looks at the data, %s", checked,
                  step == MU_LOOKS_DONE ? "all of it" : "not all of it: musterctl fsck does");
}
