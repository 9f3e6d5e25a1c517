#include "door.h"

#include <inttypes.h>

#define LOG_EVERY_MS 10000 /* refusals in between are counted and told with the next line */

static const struct {
    const char *metric;
    const char *help;
} counts_table[PUBSUB_COUNTS] = {
    [PUBSUB_MESSAGES] = {"messages_total", "Messages of the channel of requests"},
    [PUBSUB_ANSWERS] = {"answers_total", "Answers that were published"},
    [PUBSUB_LOST] = {"answers_lost_total", "Answers that could not be published"},
    [PUBSUB_OVERLOADED] = {"overloaded_total",
                           "Answers OVERLOADED because of a bound of this door"},
};

static const struct {
    const char *metric;
    const char *why;
    const char *help;
} refusals_table[PUBSUB_REFUSALS] = {
    [PUBSUB_TOO_LARGE] = {"refused_too_large_total", "a message is longer than max_message",
                          "Messages answered nowhere: longer than max_message"},
    [PUBSUB_NOT_JSON] = {"refused_not_json_total", "a message is not one strict JSON object",
                         "Messages answered nowhere: not one strict JSON object"},
    [PUBSUB_NO_REPLY_TO] = {"refused_no_reply_to_total",
                            "a message has no reply_to that is an inbox of this namespace",
                            "Messages answered nowhere: no reply_to that is an inbox"},
    [PUBSUB_NO_INSTANCE] = {"refused_no_instance_total",
                            "an anonymous request does not say which instance it is of",
                            "Messages answered nowhere: anonymous, and of no instance"},
    [PUBSUB_FOREIGN_REPLY_TO] = {"refused_foreign_reply_to_total",
                                 "reply_to is not the inbox of the requester's own instance",
                                 "Messages answered nowhere: reply_to is somebody else's inbox"},
};

void pubsub_counts_init(struct pubsub_door *door) {
    for (size_t i = 0; i < PUBSUB_COUNTS; i++) {
        door->count_metrics[i] = door->host->metric(door->plugin, MUSTER_COUNTER,
                                                    counts_table[i].metric, counts_table[i].help);
    }
    for (size_t i = PUBSUB_ACCEPTED + 1; i < PUBSUB_REFUSALS; i++) {
        door->refused_metrics[i] = door->host->metric(
            door->plugin, MUSTER_COUNTER, refusals_table[i].metric, refusals_table[i].help);
    }
    door->pending_metric =
        door->host->metric(door->plugin, MUSTER_GAUGE, "pending", "Requests not yet answered");
}

void pubsub_count(struct pubsub_door *door, enum pubsub_count what) {
    door->counts[what]++;
    door->host->metric_add(door->count_metrics[what], 1);
}

void pubsub_refuse(struct pubsub_door *door, enum pubsub_refusal why) {
    uint64_t now = door->host->now_ms(door->plugin);
    door->refused[why]++;
    door->host->metric_add(door->refused_metrics[why], 1);
    if (door->logged_at != 0 && now - door->logged_at < LOG_EVERY_MS) {
        door->unlogged++;
        return;
    }
    door->host->log(door->plugin, MUSTER_LOG_WARN, "refused",
                    "%s; %" PRIu64 " more were refused since this was last said",
                    refusals_table[why].why, door->unlogged);
    door->logged_at = now;
    door->unlogged = 0;
}

void pubsub_counts_log(struct pubsub_door *door) {
    const uint64_t *refused = door->refused;
    door->host->log(
        door->plugin, MUSTER_LOG_INFO, "totals",
        "messages=%" PRIu64 " answers=%" PRIu64 " lost=%" PRIu64 " overloaded=%" PRIu64
        " too_large=%" PRIu64 " not_json=%" PRIu64 " no_reply_to=%" PRIu64 " no_instance=%" PRIu64
        " foreign_reply_to=%" PRIu64,
        door->counts[PUBSUB_MESSAGES], door->counts[PUBSUB_ANSWERS], door->counts[PUBSUB_LOST],
        door->counts[PUBSUB_OVERLOADED], refused[PUBSUB_TOO_LARGE], refused[PUBSUB_NOT_JSON],
        refused[PUBSUB_NO_REPLY_TO], refused[PUBSUB_NO_INSTANCE], refused[PUBSUB_FOREIGN_REPLY_TO]);
}
