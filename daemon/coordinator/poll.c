#include "coordinator/poll.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define HINT_GAP_MS 20  /* hints come in bursts */
#define LATE_MS 1000    /* an answer that took longer is of an old view */
#define DETAILS_MAX 256 /* in one round */
#define ROUND_ROBIN 16  /* details read again in a regular round, due or not */
#define PROBE_MAX 20000 /* inboxes in one command */

struct mu_poll {
    struct mu_poll_options options;
    bool active;
    bool probing;
    bool hinted;
    bool scores_pending;
    bool scores_regular;
    bool inboxes_pending;
    bool refused; /* NUMSUB; said once a connection */
    uint64_t scores_sent;
    uint64_t scores_at; /* when the next regular round is due */
    uint64_t inboxes_at;
    size_t robin; /* how far the slow round of details is */
    /* PUBSUB NUMSUB and the inboxes, all owned; of the detector's `question_version`. */
    char **question;
    size_t question_words;
    uint64_t question_version;
};

struct choice {
    struct mu_poll *poll;
    size_t index;
    size_t asked;
    bool regular;
};

struct detail_note {
    char instance[MU_ID_SIZE];
};

struct mu_poll *mu_poll_create(const struct mu_poll_options *options) {
    struct mu_poll *poll = mu_calloc(1, sizeof *poll);
    poll->options = *options;
    return poll;
}

static void forget_question(struct mu_poll *poll) {
    for (size_t i = 0; poll->question != NULL && i < poll->question_words; i++) {
        free(poll->question[i]);
    }
    free(poll->question);
    poll->question = NULL;
    poll->question_words = 0;
}

void mu_poll_destroy(struct mu_poll **poll) {
    if (*poll == NULL) {
        return;
    }
    forget_question(*poll);
    free(*poll);
    *poll = NULL;
}

void mu_poll_start(struct mu_poll *poll, bool probing) {
    poll->active = true;
    poll->probing = probing;
    poll->refused = false;
    poll->scores_at = 0;
    poll->inboxes_at = 0;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

void mu_poll_set_intervals(struct mu_poll *poll, uint64_t now, uint64_t interval_ms,
                           uint64_t probe_ms) {
    poll->options.interval_ms = interval_ms;
    poll->options.probe_ms = probe_ms;
    poll->scores_at = sooner(poll->scores_at, now + interval_ms);
    poll->inboxes_at = sooner(poll->inboxes_at, now + probe_ms);
}

void mu_poll_stop(struct mu_poll *poll) {
    poll->active = false;
    poll->hinted = false;
    poll->scores_pending = false;
    poll->inboxes_pending = false;
}

void mu_poll_hint(struct mu_poll *poll) {
    poll->hinted = true;
}

bool mu_poll_late(const struct mu_poll *poll, uint64_t now) {
    return poll->scores_pending && now - poll->scores_sent > LATE_MS;
}

/* ---- details ---- */

static void on_details(void *context, const void *note, const redisReply *reply) {
    struct mu_poll *poll = context;
    const struct detail_note *about = note;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        return; /* still due */
    }
    const char *value[3];
    for (size_t i = 0; i < 3; i++) {
        value[i] = reply->element[i]->type == REDIS_REPLY_STRING ? reply->element[i]->str : NULL;
    }
    mu_detector_details(poll->options.detector, mu_clock_boottime_ms(), about->instance, value[0],
                        value[1] != NULL && strcmp(value[1], "up") != 0,
                        value[2] != NULL && strcmp(value[2], "1") == 0);
}

static void ask_details(struct mu_poll *poll, const char *instance) {
    char key[MU_KEY_SIZE];
    struct detail_note note = {{0}};
    memcpy(note.instance, instance, strlen(instance) + 1);
    mu_key(key, mu_fence_name_space(poll->options.fence), "instance:%s", instance);
    const char *arguments[] = {"HMGET", key, "incarnation", "state", "draining"};
    /* Not sent: they stay due. */
    (void)!mu_fence_read(poll->options.fence, 5, arguments, on_details, poll,
                         (struct mu_note){&note, sizeof note});
}

static void choose(void *context, const struct mu_detector_instance *instance) {
    struct choice *choice = context;
    struct mu_poll *poll = choice->poll;
    size_t index = choice->index++;
    bool turn = choice->regular && index >= poll->robin && index < poll->robin + ROUND_ROBIN;
    if ((instance->details_due || turn) && choice->asked < DETAILS_MAX) {
        choice->asked++;
        ask_details(poll, instance->instance);
    }
}

static void read_details(struct mu_poll *poll, bool regular) {
    struct choice choice = {.poll = poll, .regular = regular};
    mu_detector_each(poll->options.detector, choose, &choice);
    if (regular) {
        poll->robin += ROUND_ROBIN;
        if (poll->robin >= choice.index) {
            poll->robin = 0;
        }
    }
    if (choice.asked == DETAILS_MAX) {
        poll->hinted = true; /* the others in another round */
    }
}

/* ---- scores ---- */

static void on_scores(void *context, const void *note, const redisReply *reply) {
    struct mu_poll *poll = context;
    (void)note;
    poll->scores_pending = false;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0) {
        if (reply != NULL) {
            MU_LOG(poll->options.log, MU_LOG_ERROR, "poll.failed",
                   MU_STR("error", reply->type == REDIS_REPLY_ERROR ? reply->str : "no list"));
        }
        return;
    }
    uint64_t now = mu_clock_boottime_ms();
    mu_detector_poll_begin(poll->options.detector, poll->scores_sent);
    for (size_t i = 0; i < reply->elements; i += 2) {
        const redisReply *id = reply->element[i];
        const redisReply *score = reply->element[i + 1];
        if (id->type == REDIS_REPLY_STRING && score->type == REDIS_REPLY_STRING) {
            mu_detector_poll_score(poll->options.detector, now, id->str, score->str);
        }
    }
    mu_detector_poll_end(poll->options.detector);
    read_details(poll, poll->scores_regular);
    poll->options.on_polled(poll->options.context, poll->scores_sent, poll->scores_regular);
}

static void ask_scores(struct mu_poll *poll, uint64_t now) {
    char key[MU_KEY_SIZE];
    bool regular = now >= poll->scores_at;
    mu_key(key, mu_fence_name_space(poll->options.fence), "instances");
    const char *arguments[] = {"ZRANGE", key, "0", "-1", "WITHSCORES"};
    if (mu_fence_read(poll->options.fence, 5, arguments, on_scores, poll, (struct mu_note){0})) {
        poll->scores_pending = true;
        poll->scores_sent = now;
        poll->scores_regular = regular;
        poll->hinted = false;
    }
    if (regular) {
        poll->scores_at = now + poll->options.interval_ms;
    }
}

/* ---- inboxes ---- */

static void on_inboxes(void *context, const void *note, const redisReply *reply) {
    struct mu_poll *poll = context;
    char prefix[MU_KEY_SIZE];
    bool confirm = false;
    (void)note;
    poll->inboxes_pending = false;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        if (reply != NULL && !poll->refused) {
            poll->refused = true;
            MU_LOG(poll->options.log, MU_LOG_ERROR, "probe.refused",
                   MU_STR("error", reply->type == REDIS_REPLY_ERROR ? reply->str : "no list"),
                   MU_STR("message", "PUBSUB NUMSUB does not work; silence alone decides"));
        }
        return;
    }
    mu_key(prefix, mu_fence_name_space(poll->options.fence), "inbox:");
    size_t skip = strlen(prefix);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *channel = reply->element[i];
        const redisReply *count = reply->element[i + 1];
        if (channel->type != REDIS_REPLY_STRING || count->type != REDIS_REPLY_INTEGER ||
            strncmp(channel->str, prefix, skip) != 0) {
            continue;
        }
        uint64_t subscribers = count->integer > 0 ? (uint64_t)count->integer : 0;
        confirm |= mu_detector_inbox(poll->options.detector, channel->str + skip, subscribers);
    }
    if (confirm) {
        uint64_t soon = mu_clock_boottime_ms() + poll->options.probe_ms / 2;
        poll->inboxes_at = sooner(poll->inboxes_at, soon);
        poll->hinted = true;
    }
    poll->options.on_probed(poll->options.context);
}

static void add_inbox(void *context, const struct mu_detector_instance *instance) {
    struct mu_poll *poll = context;
    char key[MU_KEY_SIZE];
    if (poll->question_words < PROBE_MAX + 2) {
        mu_key(key, mu_fence_name_space(poll->options.fence), "inbox:%s", instance->instance);
        poll->question[poll->question_words++] = mu_strdup(key);
    }
}

/* The same command for as long as the instances are the same. */
static void prepare_question(struct mu_poll *poll) {
    const struct mu_detector *detector = poll->options.detector;
    uint64_t version = mu_detector_version(detector);
    if (poll->question != NULL && poll->question_version == version) {
        return;
    }
    forget_question(poll);
    poll->question = mu_calloc(mu_detector_count(detector) + 2, sizeof *poll->question);
    poll->question[0] = mu_strdup("PUBSUB");
    poll->question[1] = mu_strdup("NUMSUB");
    poll->question_words = 2;
    poll->question_version = version;
    mu_detector_each(detector, add_inbox, poll);
}

static void ask_inboxes(struct mu_poll *poll, uint64_t now) {
    poll->inboxes_at = now + poll->options.probe_ms;
    if (mu_detector_count(poll->options.detector) == 0) {
        return;
    }
    prepare_question(poll);
    poll->inboxes_pending =
        mu_fence_read(poll->options.fence, poll->question_words,
                      (const char *const *)poll->question, on_inboxes, poll, (struct mu_note){0});
}

void mu_poll_tick(struct mu_poll *poll, uint64_t now) {
    if (!poll->active) {
        return;
    }
    bool hinted = poll->hinted && now - poll->scores_sent >= HINT_GAP_MS;
    bool probe =
        poll->probing && !poll->refused && !poll->inboxes_pending && now >= poll->inboxes_at;
    if (!poll->scores_pending && (hinted || now >= poll->scores_at)) {
        ask_scores(poll, now);
    }
    if (probe) {
        ask_inboxes(poll, now);
    }
}
