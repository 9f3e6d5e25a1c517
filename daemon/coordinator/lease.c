#include "coordinator/lease.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_MIN_MS 20
#define MARGIN_MAX_MS 1000
#define PAUSE_MS 100 /* after a loss or a failure, before the next attempt */

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high) {
    return value < low ? low : value > high ? high : value;
}

void mu_lease_init(struct mu_lease *lease, const char *nonce, uint64_t ttl_ms, uint64_t renew_ms) {
    assert(renew_ms > 0 && renew_ms < ttl_ms);
    memset(lease, 0, sizeof *lease);
    lease->ttl_ms = ttl_ms;
    lease->renew_ms = renew_ms;
    lease->margin_ms = clamp(ttl_ms / 10, MARGIN_MIN_MS, MARGIN_MAX_MS);
    snprintf(lease->nonce, sizeof lease->nonce, "%s", nonce);
    lease->state = MU_LEASE_FREE;
}

static uint64_t deadline_of(const struct mu_lease *lease) {
    uint64_t span = lease->ttl_ms > lease->margin_ms ? lease->ttl_ms - lease->margin_ms : 0;
    return lease->sent_at + span;
}

bool mu_lease_may_act(const struct mu_lease *lease, uint64_t now) {
    return lease->state == MU_LEASE_HELD && now < lease->deadline;
}

static void see_epoch(struct mu_lease *lease, uint64_t epoch) {
    if (epoch > lease->highest)
        lease->highest = epoch;
}

/* `<id>/<nonce>/<epoch>/<renewals>/<advertise>`; 0 when it does not look like one. */
static uint64_t epoch_of(const char *value) {
    const char *at = value;
    for (int i = 0; i < 2; i++) {
        at = strchr(at, '/');
        if (at == NULL)
            return 0;
        at++;
    }
    char *end = NULL;
    unsigned long long epoch = strtoull(at, &end, 10);
    return end != at && *end == '/' && epoch < (1ULL << 53) ? (uint64_t)epoch : 0;
}

static void see_holder(struct mu_lease *lease, uint64_t now, const char *value) {
    if (value == NULL)
        value = "";
    if (strncmp(lease->holder, value, sizeof lease->holder - 1) != 0 || lease->holder[0] == '\0') {
        lease->holder_whole = strlen(value) < sizeof lease->holder;
        snprintf(lease->holder, sizeof lease->holder, "%s", value);
        lease->holder_since = now;
    }
    see_epoch(lease, epoch_of(value));
}

static void begin(struct mu_lease *lease, uint64_t now, enum mu_lease_send what,
                  struct mu_lease_actions *actions) {
    assert(!lease->pending);
    lease->ticket++;
    lease->pending = true;
    lease->sent_at = now;
    actions->send = what;
    actions->ticket = lease->ticket;
}

static void try_acquire(struct mu_lease *lease, uint64_t now, struct mu_lease_actions *actions) {
    begin(lease, now, MU_LEASE_SEND_ACQUIRE, actions);
    lease->state = MU_LEASE_TRYING;
    lease->hinted = false;
    actions->floor = lease->highest == 0 ? 0 : lease->highest + 1;
    if (lease->holder[0] != '\0' && lease->holder_whole &&
        now - lease->holder_since >= 2 * lease->ttl_ms)
        actions->expected = lease->holder;
}

static void lose(struct mu_lease *lease, uint64_t next_at, const char *reason,
                 struct mu_lease_actions *actions) {
    assert(lease->state == MU_LEASE_HELD);
    lease->state = MU_LEASE_FREE;
    lease->pending = false; /* a late answer to a renewal says nothing any more */
    lease->next_at = next_at;
    lease->deadline = 0;
    lease->holder[0] = '\0';
    actions->change = MU_LEASE_LOST;
    actions->reason = reason;
}

static void release(struct mu_lease *lease, uint64_t now, struct mu_lease_actions *actions) {
    lease->pending = false;
    begin(lease, now, MU_LEASE_SEND_RELEASE, actions);
    lease->state = MU_LEASE_RELEASING;
}

/* What time alone brings about. */
static void on_time(struct mu_lease *lease, uint64_t now, struct mu_lease_actions *actions) {
    if (lease->state == MU_LEASE_HELD && now >= lease->deadline)
        lose(lease, now, "its deadline passed before a renewal was answered", actions);
    if (!lease->link_up || lease->pending || actions->send != MU_LEASE_SEND_NOTHING)
        return;
    if (lease->state == MU_LEASE_HELD && now >= lease->next_at) {
        begin(lease, now, MU_LEASE_SEND_RENEW, actions);
        lease->next_at = now + lease->renew_ms;
    } else if (lease->state == MU_LEASE_FREE && now >= lease->next_at && now >= lease->rest_until &&
               !lease->stopping) {
        try_acquire(lease, now, actions);
    }
}

static void on_acquired(struct mu_lease *lease, uint64_t now, uint64_t epoch,
                        struct mu_lease_actions *actions) {
    see_epoch(lease, epoch);
    lease->holder[0] = '\0';
    lease->epoch = epoch;
    if (lease->stopping)
        release(lease, now, actions);
    else
        begin(lease, now, MU_LEASE_SEND_RENEW, actions);
}

static void on_renewed(struct mu_lease *lease, uint64_t now, struct mu_lease_actions *actions) {
    lease->deadline = deadline_of(lease);
    if (lease->state == MU_LEASE_HELD)
        return;
    if (lease->stopping) {
        release(lease, now, actions);
        return;
    }
    if (now >= lease->deadline) { /* the answer took too long to be of use */
        lease->state = MU_LEASE_FREE;
        lease->next_at = now;
        return;
    }
    lease->state = MU_LEASE_HELD;
    lease->next_at = lease->sent_at + lease->renew_ms;
    actions->change = MU_LEASE_WON;
}

static void on_failed(struct mu_lease *lease, uint64_t now) {
    if (lease->stopping) {
        lease->state = MU_LEASE_OVER;
        return;
    }
    if (lease->state == MU_LEASE_TRYING || lease->state == MU_LEASE_RELEASING)
        lease->state = MU_LEASE_FREE;
    lease->next_at = now + PAUSE_MS;
}

static void on_answer(struct mu_lease *lease, uint64_t now, const struct mu_lease_event *event,
                      struct mu_lease_actions *actions) {
    if (!lease->pending || event->ticket != lease->ticket)
        return;
    lease->pending = false;
    switch (event->kind) {
    case MU_LEASE_ACQUIRED:
        on_acquired(lease, now, event->epoch, actions);
        break;
    case MU_LEASE_BUSY:
        see_holder(lease, now, event->holder);
        lease->state = lease->stopping ? MU_LEASE_OVER : MU_LEASE_FREE;
        lease->next_at =
            lease->hinted ? now : now + clamp(event->ttl_ms + 5, PAUSE_MS, lease->renew_ms);
        lease->hinted = false;
        break;
    case MU_LEASE_RENEWED:
        on_renewed(lease, now, actions);
        break;
    case MU_LEASE_RELEASED:
        lease->state = lease->stopping ? MU_LEASE_OVER : MU_LEASE_FREE;
        break;
    default:
        on_failed(lease, now);
        break;
    }
}

static void on_stale(struct mu_lease *lease, uint64_t now, uint64_t ticket,
                     struct mu_lease_actions *actions) {
    if (ticket != 0 && (!lease->pending || ticket != lease->ticket))
        return;
    if (lease->state == MU_LEASE_HELD) {
        lose(lease, now + PAUSE_MS, "a write with its epoch was refused", actions);
    } else if (ticket != 0) {
        lease->pending = false;
        on_failed(lease, now);
    }
}

static void on_step_down(struct mu_lease *lease, uint64_t now, uint64_t epoch,
                         struct mu_lease_actions *actions) {
    if (lease->state != MU_LEASE_HELD || lease->epoch != epoch)
        return;
    lease->rest_until = now + lease->ttl_ms + MU_LEASE_REST_MS;
    release(lease, now, actions);
    actions->change = MU_LEASE_LOST;
    actions->reason = "an operator ordered it to step down";
}

static void on_stop(struct mu_lease *lease, uint64_t now, struct mu_lease_actions *actions) {
    lease->stopping = true;
    if (lease->state == MU_LEASE_FREE)
        lease->state = MU_LEASE_OVER;
    else if (lease->state == MU_LEASE_HELD) {
        release(lease, now, actions);
        actions->change = MU_LEASE_LOST;
        actions->reason = "the daemon ends";
    }
}

void mu_lease_step(struct mu_lease *lease, uint64_t now, const struct mu_lease_event *event,
                   struct mu_lease_actions *actions) {
    memset(actions, 0, sizeof *actions);
    switch (event->kind) {
    case MU_LEASE_TICK:
        break;
    case MU_LEASE_LINK_UP:
        lease->link_up = true;
        lease->next_at = now;
        lease->holder_since = now; /* what we could not watch has not been silent for us */
        break;
    case MU_LEASE_LINK_DOWN:
        lease->link_up = false;
        break;
    case MU_LEASE_HINT:
        lease->next_at = now;
        lease->hinted = lease->state == MU_LEASE_TRYING;
        break;
    case MU_LEASE_SEEN:
        see_epoch(lease, event->epoch);
        if (event->epoch > lease->epoch)
            lease->rest_until = 0; /* somebody took it: from now on as ever */
        break;
    case MU_LEASE_STALE:
        on_stale(lease, now, event->ticket, actions);
        break;
    case MU_LEASE_STEP_DOWN:
        on_step_down(lease, now, event->epoch, actions);
        break;
    case MU_LEASE_STOP:
        on_stop(lease, now, actions);
        break;
    case MU_LEASE_ACQUIRED:
    case MU_LEASE_BUSY:
    case MU_LEASE_RENEWED:
    case MU_LEASE_RELEASED:
    case MU_LEASE_FAILED:
        on_answer(lease, now, event, actions);
        break;
    }
    on_time(lease, now, actions);
}
