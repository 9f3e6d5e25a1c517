#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "base/alloc.h"
#include "redis/subscriber.h"

#define READS_IN_FLIGHT 32
#define READ_RETRY_MS 200
#define BARRIER_MS 5000

struct follower {
    struct mu_watch *watch;
    uint32_t session;
    bool followed; /* otherwise it only keeps what replies tell */
    bool waiting;  /* in the queue of those that want a snapshot */
    struct mu_follow *follow;
};

struct read {
    struct follower *follower;
    uint64_t ticket;
};

struct mu_watch {
    struct mu_watch_options options;
    struct mu_subscriber *subscriber;
    size_t at;                  /* of the addresses */
    struct follower *followers; /* one per session of the plan */
    uint32_t count;
    uint32_t *queue; /* a ring of sessions that want a snapshot */
    uint32_t first, waiting;
    size_t reads;
    uv_timer_t retry; /* after snapshots that could not be read */
    FILE *events;
    uv_prepare_t flush;
    bool dirty;
    bool closing;
    char prefix[MU_KEY_SIZE]; /* of the channels of events */
    uint64_t barrier_number;
    bool barrier_marked, barrier_heard;
    void (*barrier_done)(void *context, bool complete);
    void *barrier_context;
    uv_timer_t barrier_timer;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- snapshots ---- */

static void read_more(struct mu_watch *self);

static void want_snapshot(struct mu_watch *self, struct follower *follower) {
    if (!follower->followed || follower->waiting || !mu_follow_wants(follower->follow))
        return;
    follower->waiting = true;
    uint32_t last = self->first + self->waiting++;
    self->queue[last < self->count ? last : last - self->count] = follower->session;
}

static void want_all(struct mu_watch *self) {
    for (uint32_t i = 0; i < self->count; i++)
        want_snapshot(self, &self->followers[i]);
    read_more(self);
}

static void on_retry(uv_timer_t *timer) {
    want_all(timer->data);
}

static void read_later(struct mu_watch *self) {
    if (!uv_is_active((uv_handle_t *)&self->retry))
        uv_timer_start(&self->retry, on_retry, READ_RETRY_MS, 0);
}

static void on_read(void *context, enum muster_status status, const char *message,
                    const struct mu_snapshot *snapshot) {
    struct read *read = context;
    struct follower *follower = read->follower;
    struct mu_watch *self = follower->watch;
    self->reads--;
    if (!self->closing) {
        mu_follow_snapshot(follower->follow, read->ticket, snapshot ? &snapshot->view : NULL);
        if (snapshot) {
            mu_journal_count(self->options.journal, "snapshots", 1);
            self->options.on_snapshot(self->options.context, follower->session, snapshot);
            want_snapshot(self, follower);
        } else {
            if (!mu_backoff_applies(status))
                mu_journal_error(self->options.journal, "snapshot", NULL, status, message);
            read_later(self);
        }
        read_more(self);
    }
    free(read);
}

static bool read_snapshot(struct mu_watch *self, struct follower *follower) {
    char session[MU_ID_SIZE];
    mu_plan_session_id(self->options.plan, follower->session, session);
    struct read *read = mu_calloc(1, sizeof *read);
    read->follower = follower;
    if (mu_speech_snapshot(self->options.speech, session, on_read, read) != MUSTER_OK) {
        free(read);
        return false;
    }
    read->ticket = mu_follow_reading(follower->follow);
    self->reads++;
    return true;
}

static void read_more(struct mu_watch *self) {
    while (!self->closing && self->waiting > 0 && self->reads < READS_IN_FLIGHT &&
           mu_watch_is_up(self)) {
        struct follower *follower = &self->followers[self->queue[self->first]];
        if (++self->first == self->count)
            self->first = 0;
        self->waiting--;
        follower->waiting = false;
        if (mu_follow_wants(follower->follow) && !read_snapshot(self, follower)) {
            read_later(self);
            return;
        }
    }
}

bool mu_watch_settled(const struct mu_watch *self) {
    return mu_watch_is_up(self) && self->waiting == 0 && self->reads == 0 &&
           !uv_is_active((const uv_handle_t *)&self->retry);
}

/* ---- the barrier ---- */

static void end_barrier(struct mu_watch *self, bool complete) {
    void (*done)(void *, bool) = self->barrier_done;
    self->barrier_done = NULL;
    uv_timer_stop(&self->barrier_timer);
    if (done)
        done(self->barrier_context, complete);
}

static void on_barrier_timeout(uv_timer_t *timer) {
    end_barrier(timer->data, false);
}

static void pass_barrier(struct mu_watch *self) {
    if (self->barrier_marked && self->barrier_heard)
        end_barrier(self, true);
}

struct barrier {
    struct mu_watch *watch;
    uint64_t number;
};

static void on_marked(void *context, bool marked) {
    struct barrier barrier = *(struct barrier *)context;
    struct mu_watch *self = barrier.watch;
    free(context);
    if (self->closing || !self->barrier_done || barrier.number != self->barrier_number)
        return;
    self->barrier_marked = marked;
    if (marked)
        pass_barrier(self);
    else
        end_barrier(self, false);
}

void mu_watch_barrier(struct mu_watch *self, void (*done)(void *context, bool complete),
                      void *context) {
    end_barrier(self, false);
    self->barrier_done = done;
    self->barrier_context = context;
    self->barrier_number++;
    self->barrier_marked = self->barrier_heard = false;
    struct barrier *barrier = mu_calloc(1, sizeof *barrier);
    *barrier = (struct barrier){self, self->barrier_number};
    if (mu_watch_is_up(self) && mu_speech_mark(self->options.speech, self->barrier_number,
                                               on_marked, barrier) == MUSTER_OK) {
        uv_timer_start(&self->barrier_timer, on_barrier_timeout, BARRIER_MS, 0);
        return;
    }
    free(barrier);
    end_barrier(self, false);
}

/* ---- messages ---- */

static void on_finding(void *context, bool certain, const char *kind, const char *text) {
    struct follower *follower = context;
    struct mu_journal *journal = follower->watch->options.journal;
    char session[MU_ID_SIZE];
    mu_plan_session_id(follower->watch->options.plan, follower->session, session);
    if (certain)
        mu_journal_anomaly(journal, kind, session, text);
    else
        mu_journal_suspect(journal, kind, session, text);
}

static void write_event(struct mu_watch *self, const char *payload, size_t length) {
    if (!self->events)
        return;
    fwrite(payload, 1, length, self->events);
    fputc('\n', self->events);
    self->dirty = true;
}

static void take_session_event(struct mu_watch *self, const struct mu_event *event) {
    uint32_t session;
    if (!mu_plan_find_session(self->options.plan, event->session, &session))
        return;
    if (event->kind == MU_EVENT_MEMBER_LEFT)
        self->options.on_left(self->options.context, session, event);
    struct follower *follower = &self->followers[session];
    if (!follower->followed)
        return;
    mu_follow_event(follower->follow, event);
    if (mu_follow_wants(follower->follow)) {
        want_snapshot(self, follower);
        read_more(self);
    }
}

/* A door was cut off from Redis: what it passed on on this channel may have a hole. */
static void lose_session(struct mu_watch *self, const char *id) {
    uint32_t session;
    bool all = strcmp(id, "*") == 0;
    bool one = !all && mu_plan_find_session(self->options.plan, id, &session);
    for (uint32_t i = 0; i < self->count; i++)
        if (all || (one && i == session))
            mu_follow_lost(self->followers[i].follow);
    want_all(self);
}

static void on_message(void *context, const char *pattern, const char *channel, const char *payload,
                       size_t length) {
    (void)pattern;
    struct mu_watch *self = context;
    if (self->closing)
        return;
    if (strcmp(channel, mu_speech_mark_channel(self->options.speech)) == 0) {
        if (mu_speech_is_mark(self->options.speech, payload, length, self->barrier_number)) {
            self->barrier_heard = true;
            pass_barrier(self);
        }
        return;
    }
    bool known = strncmp(channel, self->prefix, strlen(self->prefix)) == 0;
    const char *name = known ? channel + strlen(self->prefix) : "";
    struct mu_event event;
    write_event(self, payload, length);
    if (!mu_event_read(payload, length, &event)) {
        mu_journal_anomaly(self->options.journal, "not-json", NULL, channel);
        return;
    }
    if (!known) {
        mu_journal_count(self->options.journal, "inbox", 1);
    } else {
        mu_journal_count_event(self->options.journal, event.name);
        if (event.kind == MU_EVENT_RESYNC && !*event.session && strncmp(name, "session:", 8) == 0)
            lose_session(self, name + 8);
        else if (strncmp(name, "session:", 8) == 0)
            take_session_event(self, &event);
        else
            self->options.on_event(self->options.context, &event);
    }
    mu_event_release(&event);
}

static void on_up(void *context) {
    struct mu_watch *self = context;
    if (self->closing)
        return;
    want_all(self);
    self->options.on_up(self->options.context);
}

static void on_down(void *context, const struct mu_error *reason) {
    struct mu_watch *self = context;
    if (self->closing)
        return;
    for (uint32_t i = 0; i < self->count; i++)
        mu_follow_lost(self->followers[i].follow);
    if (self->options.address_count > 1) {
        self->at = (self->at + 1) % self->options.address_count;
        mu_subscriber_set_address(self->subscriber, &self->options.addresses[self->at]);
    }
    end_barrier(self, false);
    self->options.on_down(self->options.context, reason);
}

static void on_prepare(uv_prepare_t *handle) {
    mu_watch_flush(handle->data);
}

void mu_watch_flush(struct mu_watch *self) {
    if (self->dirty)
        fflush(self->events);
    self->dirty = false;
}

/* ---- life ---- */

static void create_followers(struct mu_watch *self) {
    self->count = mu_plan_sessions(self->options.plan);
    self->followers = mu_calloc(self->count, sizeof *self->followers);
    self->queue = mu_calloc(self->count, sizeof *self->queue);
    for (uint32_t i = 0; i < self->count; i++) {
        struct follower *follower = &self->followers[i];
        follower->watch = self;
        follower->session = i;
        size_t places;
        mu_plan_places(self->options.plan, i, &places);
        follower->followed = self->options.follow && (self->options.watch_all || places > 0);
        follower->follow = mu_follow_create(on_finding, follower);
    }
}

static void subscribe_events(struct mu_watch *self, const char *name) {
    char channel[MU_KEY_SIZE];
    mu_subscriber_subscribe(self->subscriber,
                            mu_speech_events(self->options.speech, channel, name));
}

static void subscribe(struct mu_watch *self) {
    struct mu_speech *speech = self->options.speech;
    char channel[MU_KEY_SIZE], name[MU_ID_SIZE + 8], session[MU_ID_SIZE];
    mu_subscriber_subscribe(self->subscriber, mu_speech_mark_channel(speech));
    subscribe_events(self, "instances");
    subscribe_events(self, "coordinator");
    if (self->options.inbox)
        mu_subscriber_subscribe(self->subscriber, mu_speech_inbox(speech, channel));
    if (self->options.watch_all) {
        mu_subscriber_psubscribe(self->subscriber, mu_speech_events(speech, channel, "session:*"));
        return;
    }
    for (uint32_t i = 0; i < self->count; i++) {
        if (!self->followers[i].followed)
            continue;
        mu_plan_session_id(self->options.plan, i, session);
        snprintf(name, sizeof name, "session:%s", session);
        subscribe_events(self, name);
    }
}

struct mu_watch *mu_watch_create(const struct mu_watch_options *options, struct mu_error *error) {
    FILE *events = NULL;
    if (options->events_file) {
        events = fopen(options->events_file, "ae");
        if (!events) {
            mu_error_set(error, MUSTER_BAD_REQUEST, "%s: %s", options->events_file,
                         strerror(errno));
            return NULL;
        }
    }
    struct mu_watch *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->events = events;
    mu_speech_events(options->speech, self->prefix, "");
    create_followers(self);
    uv_timer_init(options->loop, &self->retry);
    uv_timer_init(options->loop, &self->barrier_timer);
    uv_prepare_init(options->loop, &self->flush);
    self->retry.data = self->barrier_timer.data = self->flush.data = self;
    uv_prepare_start(&self->flush, on_prepare);
    const struct mu_subscriber_options subscriber = {
        .address = &options->addresses[0],
        .client_name = "muster-sim-events",
        .context = self,
        .on_message = on_message,
        .on_up = on_up,
        .on_down = on_down,
    };
    self->subscriber = mu_subscriber_create(options->loop, &subscriber);
    subscribe(self);
    return self;
}

static void on_closed(void *context) {
    struct mu_watch *self = context;
    self->closed(self->closed_context);
}

void mu_watch_close(struct mu_watch *self, void (*closed)(void *context), void *context) {
    self->closing = true;
    self->closed = closed;
    self->closed_context = context;
    uv_close((uv_handle_t *)&self->retry, NULL);
    uv_close((uv_handle_t *)&self->barrier_timer, NULL);
    uv_close((uv_handle_t *)&self->flush, NULL);
    mu_subscriber_close(&self->subscriber, on_closed, self);
}

void mu_watch_destroy(struct mu_watch **watch) {
    struct mu_watch *self = *watch;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->count; i++)
        mu_follow_destroy(&self->followers[i].follow);
    free(self->followers);
    free(self->queue);
    if (self->events)
        fclose(self->events);
    free(self);
    *watch = NULL;
}

void mu_watch_move(struct mu_watch *self, const struct mu_redis_address *address) {
    self->options.addresses = address;
    mu_subscriber_move(self->subscriber, address);
}

bool mu_watch_is_up(const struct mu_watch *self) {
    return self->subscriber && mu_subscriber_is_up(self->subscriber);
}

void mu_watch_reply(struct mu_watch *self, uint32_t session, const struct mu_view *view) {
    struct follower *follower = &self->followers[session];
    mu_follow_reply(follower->follow, view);
    want_snapshot(self, follower);
    read_more(self);
}

void mu_watch_new_generation(struct mu_watch *self) {
    for (uint32_t i = 0; i < self->count; i++)
        mu_follow_new_generation(self->followers[i].follow);
    want_all(self);
}

json_t *mu_watch_report(const struct mu_watch *self) {
    json_t *sessions = json_object();
    for (uint32_t i = 0; i < self->count; i++) {
        const struct mu_follow *follow = self->followers[i].follow;
        const struct mu_view view = mu_follow_view(follow);
        if (!self->followers[i].followed && view.seq == 0)
            continue;
        char id[MU_ID_SIZE];
        mu_plan_session_id(self->options.plan, i, id);
        json_t *entry = json_object();
        json_object_set_new(entry, "leader", *view.leader ? json_string(view.leader) : json_null());
        json_object_set_new(entry, "term", json_integer((json_int_t)view.term));
        json_object_set_new(entry, "seq", json_integer((json_int_t)view.seq));
        json_object_set_new(entry, "gen", json_string(view.gen));
        json_object_set_new(entry, "count", json_integer((json_int_t)view.count));
        json_object_set_new(entry, "exists", json_boolean(view.exists));
        json_object_set_new(entry, "synced", json_boolean(mu_follow_synced(follow)));
        json_object_set_new(sessions, id, entry);
    }
    return sessions;
}
