#include "collect.h"

#include <stdio.h>

#include "redis/library.h"

#define LABEL_SIZE 384 /* two names of plugins, or ids */

static void counter(struct mu_metrics *metrics, const char *name, const char *label, uint64_t value,
                    const char *help) {
    mu_metric_set(mu_metrics_get(metrics, MUSTER_COUNTER, name, label, help), (int64_t)value);
}

static void gauge(struct mu_metrics *metrics, const char *name, const char *label, uint64_t value,
                  const char *help) {
    mu_metric_set(mu_metrics_get(metrics, MUSTER_GAUGE, name, label, help), (int64_t)value);
}

static void times(struct mu_metrics *metrics, const char *name, const char *label,
                  const struct mu_histogram *histogram, const char *help) {
    mu_metrics_histogram(metrics, MU_HISTOGRAM_TIME, name, label, help, histogram);
}

/* ---- authorization ---- */

static void collect_link(void *context, const char *name, bool authenticator,
                         const struct mu_auth_link_counts *counts) {
    struct mu_metrics *metrics = context;
    const char *asked = authenticator ? "authenticate" : "authorize";
    const struct {
        const char *verdict;
        uint64_t value;
    } rows[] = {
        {"allow", counts->allowed},
        {"deny", counts->denied},
        {"defer", counts->deferred},
        {"timeout", counts->timeouts},
    };
    char label[LABEL_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(label, sizeof label, "plugin=\"%s\",asked=\"%s\",verdict=\"%s\"", name, asked,
                 rows[i].verdict);
        counter(metrics, "muster_auth_answers_total", label, rows[i].value,
                "What one plugin of a chain said; timeout: it did not say in time");
    }
    snprintf(label, sizeof label, "plugin=\"%s\",asked=\"%s\"", name, asked);
    times(metrics, "muster_auth_answer_seconds", label, &counts->took,
          "From a question to one plugin of a chain to its answer");
}

void mu_collect_auth(struct mu_metrics *metrics, const struct mu_auth *auth) {
    struct mu_auth_counts counts;
    mu_auth_counts(auth, &counts);
    static const char decisions[] = "muster_auth_decisions_total";
    static const char help[] = "Questions that the chains answered";
    counter(metrics, decisions, "verdict=\"allow\"", counts.allowed, help);
    counter(metrics, decisions, "verdict=\"deny\"", counts.denied - counts.timeouts, help);
    counter(metrics, decisions, "verdict=\"timeout\"", counts.timeouts, help);
    counter(metrics, "muster_auth_cache_hits_total", NULL, counts.cache_hits,
            "Decisions that the cache knew");
    counter(metrics, "muster_auth_cache_misses_total", NULL, counts.cache_misses,
            "Decisions that the cache did not know");
    counter(metrics, "muster_auth_cache_flushes_total", NULL, counts.flushes,
            "How often the cache was emptied");
    gauge(metrics, "muster_auth_cache_entries", NULL, counts.cached, "Decisions in the cache");
    gauge(metrics, "muster_auth_pending", NULL, counts.pending,
          "Questions that a plugin still thinks about");
    mu_auth_each_link(auth, collect_link, metrics);
}

/* ---- events ---- */

void mu_collect_events(struct mu_metrics *metrics, const struct mu_events *events) {
    struct mu_events_counts counts;
    mu_events_counts(events, &counts);
    gauge(metrics, "muster_event_channels", NULL, mu_events_channels(events),
          "Channels and patterns that plugins are subscribed to");
    counter(metrics, "muster_event_messages_total", NULL, counts.messages,
            "Messages of Redis that a plugin listens to");
    counter(metrics, "muster_event_deliveries_total", NULL, counts.deliveries,
            "The same, counted once for each plugin");
    counter(metrics, "muster_event_passed_over_total", NULL, counts.passed_over,
            "Events that came while not all subscriptions stood; a resync follows");
    counter(metrics, "muster_event_resyncs_total", NULL, counts.resyncs,
            "How often subscribers were told that events may be missing; once at the start");
}

/* ---- requests ---- */

void mu_collect_requests(struct mu_metrics *metrics, const struct mu_requests *requests) {
    struct mu_request_counts counts;
    char label[LABEL_SIZE];
    mu_requests_counts(requests, &counts);
#define COUNT_OPERATION(name, arguments, least, action, writes, usage)                             \
    counter(metrics, "muster_requests_total", "operation=\"" #name "\"",                           \
            counts.submitted[MUSTER_OPERATION_##name], "Requests of all doors");                   \
    times(metrics, "muster_request_seconds", "operation=\"" #name "\"",                            \
          &counts.took[MUSTER_OPERATION_##name],                                                   \
          "From the arrival of a request to its answer, refusals included");
    MUSTER_OPERATION_TABLE(COUNT_OPERATION)
#undef COUNT_OPERATION
    for (size_t i = 0; i < MUSTER_STATUS_COUNT; i++) {
        snprintf(label, sizeof label, "status=\"%s\"", muster_status_code((enum muster_status)i));
        counter(metrics, "muster_replies_total", label, counts.statuses[i],
                "Replies to requests of all doors, by error code");
    }
    counter(metrics, "muster_requests_unknown_total", NULL, counts.unknown_operation,
            "Requests for an operation that there is not");
    counter(metrics, "muster_requests_refused_total", NULL, counts.refused,
            "Requests that no room was for: limits.requests, limits.request_bytes");
    counter(metrics, "muster_requests_cancelled_total", NULL, counts.cancelled,
            "Requests whose requester went");
    gauge(metrics, "muster_requests_pending", NULL, counts.pending,
          "Requests that are not answered yet");
    gauge(metrics, "muster_requests_at_redis", NULL, counts.at_redis,
          "Requests that Redis has not answered yet");
    gauge(metrics, "muster_requests_bytes", NULL, counts.bytes, "Bytes of the pending requests");
}

/* ---- Redis ---- */

void mu_collect_redis(struct mu_metrics *metrics, const struct mu_link *link,
                      const struct mu_subscriber *subscriber) {
    static const char commands[] = "link=\"commands\"";
    static const char subscriptions[] = "link=\"subscriptions\"";
    static const char up[] = "Whether this connection to Redis stands and is used";
    static const char connections[] = "How often this connection to Redis came to stand";
    struct mu_link_counts at_link;
    struct mu_subscriber_counts at_subscriber;
    mu_link_counts(link, &at_link);
    mu_subscriber_counts(subscriber, &at_subscriber);
    gauge(metrics, "muster_redis_up", commands, mu_link_is_open(link), up);
    gauge(metrics, "muster_redis_up", subscriptions, mu_subscriber_is_up(subscriber), up);
    counter(metrics, "muster_redis_connections_total", commands, at_link.connections, connections);
    counter(metrics, "muster_redis_connections_total", subscriptions, at_subscriber.ups,
            connections);
    counter(metrics, "muster_redis_commands_total", NULL, at_link.commands, "Commands written");
    counter(metrics, "muster_redis_unanswered_total", NULL, at_link.unanswered,
            "Commands written whose reply was lost: their outcome is unknown");
    counter(metrics, "muster_redis_unsent_total", NULL, at_link.unsent,
            "Commands that were never written, since Redis was away: nothing happened");
    counter(metrics, "muster_redis_refused_total", NULL, at_link.refused,
            "Commands that no room was for: redis.queue_commands, redis.queue_bytes");
    gauge(metrics, "muster_redis_queued_commands", NULL, at_link.queued,
          "Commands not written yet");
    gauge(metrics, "muster_redis_queued_bytes", NULL, at_link.queued_bytes, "Bytes of them");
    gauge(metrics, "muster_redis_awaited_commands", NULL, at_link.awaiting,
          "Commands written whose reply is due");
    times(metrics, "muster_redis_round_trip_seconds", NULL, &at_link.round_trip,
          "From the write of a command to its reply");
    mu_metrics_histogram(metrics, MU_HISTOGRAM_ITEMS, "muster_redis_batch_commands", NULL,
                         "Commands in one write to Redis", &at_link.batch);
    gauge(metrics, "muster_redis_subscriptions", NULL, at_subscriber.subscriptions,
          "Channels and patterns that the daemon is subscribed to");
    counter(metrics, "muster_redis_messages_total", NULL, at_subscriber.messages,
            "Messages of all subscriptions");
    counter(metrics, "muster_redis_message_bytes_total", NULL, at_subscriber.bytes,
            "Bytes of them");
    times(metrics, "muster_redis_message_seconds", NULL, &at_subscriber.handed_on,
          "What handing one message on to coordinator and plugins took");
}

/* ---- the coordinator ---- */

static void collect_tally(struct mu_metrics *metrics, const struct mu_tally *tally) {
    static const char suspected[] = "Instances that were suspected, by what gave them away";
    const struct {
        const char *name, *label;
        uint64_t value;
        const char *help;
    } rows[] = {
        {"muster_lease_acquired_total", NULL, tally->lease_acquired, "Leases that were won"},
        {"muster_lease_lost_total", NULL, tally->lease_lost,
         "Leases that were lost against our will"},
        {"muster_lease_renewals_total", NULL, tally->lease_renewed, "Renewals that succeeded"},
        {"muster_lease_renewals_failed_total", NULL, tally->lease_unrenewed,
         "Renewals that were refused or not answered"},
        {"muster_data_confirmed_total", NULL, tally->data_confirmed,
         "How often the data was found to be the same"},
        {"muster_data_rotations_total", NULL, tally->data_rotated,
         "How often a new generation began, since data may have been lost"},
        {"muster_data_evicted_keys_total", NULL, tally->evicted,
         "Keys of the namespace that Redis threw away"},
        {"muster_heartbeats_total", NULL, tally->heartbeats, "Heartbeats heard on the channel"},
        {"muster_instances_suspected_total", "signal=\"silence\"", tally->suspected_silence,
         suspected},
        {"muster_instances_suspected_total", "signal=\"inbox\"", tally->suspected_inbox, suspected},
        {"muster_instances_suspected_total", "signal=\"lifeline\"", tally->suspected_lifeline,
         suspected},
        {"muster_instances_buried_total", NULL, tally->buried, "Instances that were found dead"},
        {"muster_instances_revived_total", NULL, tally->revived,
         "Instances that were suspect and spoke again"},
        {"muster_verdicts_refused_total", NULL, tally->verdicts_refused,
         "Suspicions and burials that Redis refused, since it knew better"},
        {"muster_detector_resets_total", NULL, tally->views_reset,
         "How often everybody's silence began anew, since we may have been blind"},
        {"muster_brake_engagements_total", NULL, tally->brake_engaged,
         "How often the brake engaged"},
        {"muster_leaders_moved_total", NULL, tally->leaders_moved,
         "Leaders that were moved away from an instance that may not lead"},
        {"muster_leaders_vacant_total", NULL, tally->leaders_vacant,
         "Sessions that lost their leader then, with nobody to follow"},
        {"muster_leaders_swept_total", NULL, tally->leaders_swept,
         "Sessions without a leader that got one later"},
        {"muster_ghosts_reaped_total", NULL, tally->ghosts_reaped,
         "Ghosts that were reaped to the end"},
        {"muster_reaped_connections_total", NULL, tally->reaped_connections,
         "Connections of ghosts that were ended"},
        {"muster_reaped_memberships_total", NULL, tally->reaped_memberships,
         "Memberships of ghosts that were ended"},
        {"muster_quarantined_records_total", NULL, tally->quarantined,
         "Records of ghosts that could not be read and were set aside"},
        {"muster_expired_connections_total", NULL, tally->expired_connections,
         "Connections whose ttl or grace ended"},
        {"muster_expired_memberships_total", NULL, tally->expired_memberships,
         "Memberships of them"},
        {"muster_drain_told_total", NULL, tally->drain_told,
         "Connections of draining instances that were told to move"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        counter(metrics, rows[i].name, rows[i].label, rows[i].value, rows[i].help);
    }
    times(metrics, "muster_loop_late_seconds", NULL, &tally->loop_late,
          "How much later than asked the timer of the loop came");
    times(metrics, "muster_lease_renewal_seconds", NULL, &tally->renewal,
          "From sending a renewal to its answer");
    times(metrics, "muster_leaders_move_seconds", NULL, &tally->moved,
          "From when an instance could not lead any more to its last leader moved");
#define SLICE(name, function)                                                                      \
    times(metrics, "muster_slice_seconds", "work=\"" function "\"",                                \
          &tally->slices[MU_SLICE_##name], "What one slice of work cost Redis");
    MU_SLICE_TABLE(SLICE)
#undef SLICE
}

static void collect_census(struct mu_metrics *metrics, const struct mu_census_numbers *census) {
    gauge(metrics, "muster_sessions", NULL, census->sessions, "Open sessions");
    gauge(metrics, "muster_sessions_leaderless", NULL, census->leaderless,
          "Sessions with candidates of which none was eligible");
    gauge(metrics, "muster_connections", NULL, census->connections,
          "Connections of all instances, as of the last round");
    gauge(metrics, "muster_ghosts", NULL, census->ghosts, "Buried instances not reaped to the end");
    gauge(metrics, "muster_ghost_connections", NULL, census->ghost_connections,
          "Their connections that still have to be ended; of 64 ghosts at most");
    gauge(metrics, "muster_deadlines", NULL, census->deadlines,
          "Connections with a ttl, or away with a grace");
    gauge(metrics, "muster_quarantine_records", NULL, census->quarantine,
          "Records that were set aside, since they could not be read");
    gauge(metrics, "muster_journal_entries", NULL, census->journal, "Entries of the journal");
    gauge(metrics, "muster_daemons", NULL, census->daemons, "Daemons that listed themselves");
    gauge(metrics, "muster_redis_memory_used_bytes", NULL, census->redis_used_bytes,
          "Memory that Redis uses");
    gauge(metrics, "muster_redis_memory_max_bytes", NULL, census->redis_max_bytes,
          "Memory that Redis may use; 0: no bound");
}

static void collect_scrub(struct mu_metrics *metrics, const struct mu_scrub_stats *scrub) {
    char label[LABEL_SIZE];
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        snprintf(label, sizeof label, "invariant=\"%d\"", i);
        counter(metrics, "muster_scrub_checked_total", label, scrub->checked[i],
                "What the scrub has checked");
        counter(metrics, "muster_scrub_findings_total", label, scrub->findings[i],
                "Confirmed findings of the scrub");
    }
    counter(metrics, "muster_scrub_passes_total", NULL, scrub->passes,
            "How often the scrub went over the whole namespace");
}

void mu_collect_coordinator(struct mu_metrics *metrics, const struct mu_coordinator_view *view) {
    static const char instances[] = "Instances";
    gauge(metrics, "muster_coordinator_active", NULL, view->active,
          "Whether this daemon coordinates: it holds the lease, and the data is confirmed");
    gauge(metrics, "muster_coordinator_known", NULL, view->known,
          "Whether somebody holds the lease, as far as this daemon has heard");
    gauge(metrics, "muster_lease_held", NULL, view->held, "Whether this daemon holds the lease");
    gauge(metrics, "muster_lease_epoch", NULL, view->epoch,
          "The epoch of the lease that this daemon holds; 0: none");
    gauge(metrics, "muster_lease_highest_epoch", NULL, view->highest_epoch,
          "The highest epoch that this daemon has seen");
    mu_metric_set(mu_metrics_seconds(metrics, MUSTER_GAUGE, "muster_redis_time_seconds", NULL,
                                     "Time of Redis in seconds since 1970, as far as known"),
                  (int64_t)view->redis_ms * 1000);
    gauge(metrics, "muster_brake_engaged", NULL, view->brake,
          "Whether the brake holds: nobody is suspected or buried");
    gauge(metrics, "muster_detector_blind", NULL, view->blind,
          "Whether the coordinator cannot hear: nobody is suspected or buried");
    gauge(metrics, "muster_instances", "state=\"up\"", view->instances - view->suspects, instances);
    gauge(metrics, "muster_instances", "state=\"suspect\"", view->suspects, instances);
    gauge(metrics, "muster_instances_draining", NULL, view->draining,
          "Instances that drain, in either state");
    gauge(metrics, "muster_drains_paced", NULL, view->drains,
          "Drains whose clients are told at a pace");
    gauge(metrics, "muster_leaders_moving", NULL, view->moving,
          "Instances whose leaders still have to be moved");
    collect_census(metrics, &view->census);
    collect_scrub(metrics, &view->scrub);
    collect_tally(metrics, view->tally);
}

void mu_collect_build(struct mu_metrics *metrics) {
    char label[LABEL_SIZE];
    snprintf(label, sizeof label, "version=\"%s\",library=\"%d\"", MUSTER_VERSION,
             MU_LIBRARY_VERSION);
    gauge(metrics, "muster_build_info", label, 1, "Version of the daemon and of its functions");
}
