#include "coordinator/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "coordinator/reply.h"

#define RETRY_MS 500
#define MARGIN_MS 10000 /* what clocks of two servers may differ by */

enum state { IDLE, NEEDED, READING, WRITING, CONFIRMED };

struct mu_data {
    struct mu_data_options options;
    enum state state;
    uint64_t retry_at;
    uint64_t epoch;
    char run[MU_ID_SIZE];
    char known[MU_ID_SIZE]; /* generation that was confirmed with `known_epoch` */
    uint64_t known_epoch;
    char wanted[MU_ID_SIZE]; /* what is being confirmed or rotated to */
    bool rotating;
    bool fresh; /* neither we nor Redis knew any generation: nothing can have been lost */
    const char *reason;
    /* Settings that changed while the data stay confirmed. */
    bool outdated;  /* what stands in Redis may be older than the configuration */
    bool rewriting; /* the answer is due */
    uint64_t rewrite_at;
};

enum mu_data_choice mu_data_choose(const char *known, const char *run,
                                   const char *stored_generation, const char *stored_run,
                                   const char **reason) {
    *reason = "";
    if (stored_generation == NULL || stored_generation[0] == '\0') {
        *reason = "there is no data yet, or all of it was lost";
        return MU_DATA_ROTATE;
    }
    if (stored_run == NULL || stored_run[0] == '\0') {
        *reason = "it does not know of an epoch that was seen: an earlier data set came back";
        return MU_DATA_ROTATE;
    }
    if (strcmp(stored_run, run) != 0) {
        *reason = "the server was started anew or is another one";
        return MU_DATA_ROTATE;
    }
    if (known[0] != '\0' && strcmp(known, stored_generation) != 0) {
        *reason = "an earlier data set came back";
        return MU_DATA_ROTATE;
    }
    return MU_DATA_CONFIRM;
}

struct mu_data *mu_data_create(const struct mu_data_options *options) {
    struct mu_data *data = mu_calloc(1, sizeof *data);
    data->options = *options;
    return data;
}

void mu_data_destroy(struct mu_data **data) {
    free(*data);
    *data = NULL;
}

void mu_data_start(struct mu_data *data, uint64_t epoch, const char *run) {
    data->state = NEEDED;
    data->retry_at = 0;
    data->epoch = epoch;
    snprintf(data->run, sizeof data->run, "%s", run);
    if (data->known_epoch != epoch) {
        data->known[0] = '\0'; /* others may have rotated since */
    }
}

void mu_data_stop(struct mu_data *data) {
    data->state = IDLE;
    data->rewriting = false; /* the fence drops the answer; the next tenure writes all anew */
}

void mu_data_doubt(struct mu_data *data) {
    if (data->state == CONFIRMED) {
        data->state = NEEDED;
        data->retry_at = 0;
        data->rewriting = false; /* the end of duty drops the answer */
    }
}

bool mu_data_confirmed(const struct mu_data *data) {
    return data->state == CONFIRMED;
}

static void again(struct mu_data *data) {
    data->state = NEEDED;
    data->retry_at = mu_clock_boottime_ms() + RETRY_MS;
}

static void on_written(void *context, const void *note, const struct mu_answer *answer,
                       uint64_t took_us) {
    struct mu_data *data = context;
    (void)note;
    (void)took_us;
    if (answer->status != MUSTER_OK) {
        MU_LOG(data->options.log, MU_LOG_WARN, "data.unconfirmed",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        again(data);
        return;
    }
    data->state = CONFIRMED;
    snprintf(data->known, sizeof data->known, "%s", data->wanted);
    data->known_epoch = data->epoch;
    if (data->rotating) {
        mu_fence_tally(data->options.fence)->data_rotated++;
        MU_LOG(data->options.log, data->fresh ? MU_LOG_INFO : MU_LOG_WARN, "data.rotated",
               MU_STR("generation", data->wanted), MU_INT("epoch", data->epoch),
               MU_STR("reason", data->reason));
    } else {
        mu_fence_tally(data->options.fence)->data_confirmed++;
        MU_LOG(data->options.log, MU_LOG_INFO, "data.confirmed", MU_STR("generation", data->wanted),
               MU_INT("epoch", data->epoch));
    }
    data->options.on_confirmed(data->options.context);
}

static void settings(const struct mu_config *config, char *out, size_t size) {
    snprintf(out, size,
             "{\"heartbeat_ms\":%" PRIu64 ",\"suspect_after_ms\":%" PRIu64
             ",\"resume_grace_ms\":%" PRIu64 ",\"profile\":%" PRIu64
             ",\"sessions_per_connection\":%" PRIu64 ",\"grace_ms\":%" PRIu64
             ",\"journal\":%" PRIu64 "}",
             config->detector.heartbeat_ms, config->detector.suspect_after_ms,
             config->detector.resume_grace_ms, config->limits.profile,
             config->limits.sessions_per_connection, config->limits.grace_ms,
             config->limits.journal);
}

static void act(struct mu_data *data, enum mu_data_choice choice, const char *generation) {
    char text[512];
    char floor[24];
    settings(data->options.config, text, sizeof text);
    data->outdated = false;
    data->rotating = choice == MU_DATA_ROTATE;
    data->state = WRITING;
    bool sent = false;
    if (data->rotating) {
        uint64_t highest = mu_redis_time_highest(data->options.time, mu_clock_boottime_ms());
        char fresh[MU_RANDOM_ID_SIZE];
        mu_random_id(fresh);
        snprintf(data->wanted, sizeof data->wanted, "%s", fresh);
        snprintf(floor, sizeof floor, "%" PRIu64, highest == 0 ? 0 : highest + MARGIN_MS);
        const char *arguments[] = {data->wanted, floor, data->run, text};
        sent = mu_fence_write(data->options.fence, "rotate", 4, arguments, on_written, data,
                              (struct mu_note){0});
    } else {
        snprintf(data->wanted, sizeof data->wanted, "%s", generation);
        const char *arguments[] = {data->wanted, data->run, text};
        sent = mu_fence_write(data->options.fence, "confirm", 3, arguments, on_written, data,
                              (struct mu_note){0});
    }
    if (!sent) {
        again(data);
    }
}

/* ---- other settings, the same data ---- */

void mu_data_rewrite(struct mu_data *data) {
    data->outdated = true;
    data->rewrite_at = 0;
}

static void on_rewritten(void *context, const void *note, const struct mu_answer *answer,
                         uint64_t took_us) {
    struct mu_data *data = context;
    (void)note;
    (void)took_us;
    data->rewriting = false;
    if (answer->status == MUSTER_OK && !data->outdated) {
        MU_LOG(data->options.log, MU_LOG_INFO, "config.stored", MU_INT("epoch", data->epoch));
        data->options.on_rewritten(data->options.context);
        return;
    }
    data->outdated = true; /* perhaps since it changed once more meanwhile */
    if (answer->status != MUSTER_OK) {
        data->rewrite_at = mu_clock_boottime_ms() + RETRY_MS;
        MU_LOG(data->options.log, MU_LOG_WARN, "config.not_stored",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
    }
}

static void rewrite(struct mu_data *data, uint64_t now) {
    char text[512];
    settings(data->options.config, text, sizeof text);
    const char *arguments[] = {data->known, data->run, text};
    data->rewriting = mu_fence_write(data->options.fence, "confirm", 3, arguments, on_rewritten,
                                     data, (struct mu_note){0});
    data->outdated = !data->rewriting;
    data->rewrite_at = now + RETRY_MS;
}

static const char *field(const redisReply *reply, size_t index) {
    const redisReply *element = reply->element[index];
    return element->type == REDIS_REPLY_STRING ? element->str : NULL;
}

static void on_config(void *context, const void *note, const redisReply *reply) {
    struct mu_data *data = context;
    (void)note;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        MU_LOG(data->options.log, MU_LOG_WARN, "data.unreadable",
               MU_STR("message", reply == NULL                      ? "no answer"
                                 : reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                    : "an unexpected answer"));
        again(data);
        return;
    }
    const char *generation = field(reply, 0);
    enum mu_data_choice choice =
        mu_data_choose(data->known, data->run, generation, field(reply, 1), &data->reason);
    data->fresh = generation == NULL && data->known_epoch == 0;
    act(data, choice, generation);
}

void mu_data_tick(struct mu_data *data, uint64_t now) {
    if (data->state == CONFIRMED && data->outdated && !data->rewriting && now >= data->rewrite_at) {
        rewrite(data, now);
    }
    if (data->state != NEEDED || now < data->retry_at) {
        return;
    }
    char key[MU_KEY_SIZE];
    mu_key(key, mu_fence_name_space(data->options.fence), "config");
    const char *arguments[] = {"HMGET", key, "generation", "run"};
    data->state = READING;
    if (!mu_fence_read(data->options.fence, 4, arguments, on_config, data, (struct mu_note){0})) {
        again(data);
    }
}
