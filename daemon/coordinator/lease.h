/* lease.h - the lease of the one coordinator: a pure core, event in, actions out.
 *
 * The owner feeds it events with a freshly read clock and does what it says: send an acquire, a
 * renewal or a release, begin to act, stop acting. The core does no I/O and reads no clock.
 *
 * The happy path: FREE - acquire sent (TRYING) - answered: a first renewal sent - answered: won
 * (HELD) - renewed every `renew_ms` - stopped: release sent (RELEASING) - OVER.
 *
 * What a holder relies on is its own deadline: the moment *before* it sent the renewal that was
 * answered, plus the ttl, minus a margin. Redis lets the key live at least until then, whatever the
 * network did to the reply. The answer to an acquire does not count: it may be about a lease that
 * an earlier attempt took, whose reply was lost and whose time began to run then.
 *
 * Who steps down releases it the same way, and then does not ask for it until another one was
 * elected, or for MU_LEASE_REST_MS beyond a ttl when nobody comes.
 *
 * A standby asks again every `renew_ms`, sooner when the present ttl ends sooner, at once on a
 * hint that the key is gone. When the whole value (which counts renewals) did not change for two
 * ttls of the standby's own clock it is taken over by compare-and-set: Redis's clock may have been
 * set back, and then the key would live on.
 */
#ifndef MU_COORDINATOR_LEASE_H
#define MU_COORDINATOR_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ids.h"

#define MU_LEASE_VALUE_SIZE                                                                        \
    2048 /* a longer value of the key is cut for the log, never taken over */

#define MU_LEASE_REST_MS 5000

enum mu_lease_state {
    MU_LEASE_FREE,      /* not ours, nothing under way */
    MU_LEASE_TRYING,    /* an acquire or the first renewal is under way */
    MU_LEASE_HELD,      /* ours until the deadline */
    MU_LEASE_RELEASING, /* a release is under way, nothing is done with it any more */
    MU_LEASE_OVER       /* stopped for good */
};

enum mu_lease_event_kind {
    MU_LEASE_TICK,      /* time went on */
    MU_LEASE_LINK_UP,   /* Redis can be asked */
    MU_LEASE_LINK_DOWN, /* it cannot */
    MU_LEASE_HINT,      /* the key was deleted or has expired, says Redis */
    MU_LEASE_SEEN,      /* an epoch was seen somewhere: `epoch` */
    MU_LEASE_ACQUIRED,  /* answer to an acquire: `ticket`, `epoch` */
    MU_LEASE_BUSY,      /* answer to an acquire: `ticket`, `holder`, `ttl_ms` */
    MU_LEASE_RENEWED,   /* answer to a renewal: `ticket` */
    MU_LEASE_RELEASED,  /* answer to a release: `ticket` */
    MU_LEASE_FAILED, /* no usable answer to `ticket`: its outcome is unknown, or nothing happened */
    MU_LEASE_STALE,  /* a write with our epoch was refused: somebody else may hold the lease.
                      * `ticket` of the renewal that was, 0 for any other write of this tenure */
    MU_LEASE_STEP_DOWN, /* somebody else is to hold it: let go of the tenure of `epoch`, and rest */
    MU_LEASE_STOP       /* the daemon ends: let go */
};

struct mu_lease_event {
    enum mu_lease_event_kind kind;
    uint64_t ticket;
    uint64_t epoch;
    uint64_t ttl_ms;
    const char *holder;
};

enum mu_lease_send {
    MU_LEASE_SEND_NOTHING,
    MU_LEASE_SEND_ACQUIRE, /* with nonce, ttl, `floor` and, unless NULL, `expected` */
    MU_LEASE_SEND_RENEW,
    MU_LEASE_SEND_RELEASE
};

enum mu_lease_change {
    MU_LEASE_SAME,
    MU_LEASE_WON, /* begin to act, with lease->epoch */
    MU_LEASE_LOST /* stop acting at once; `reason` says why */
};

struct mu_lease_actions {
    enum mu_lease_send send; /* to be sent in this very turn */
    uint64_t ticket;         /* to be given back with the answer */
    uint64_t floor;
    const char *expected; /* valid until the next step */
    enum mu_lease_change change;
    const char *reason;
};

struct mu_lease {
    /* Fixed. */
    uint64_t ttl_ms;
    uint64_t renew_ms;
    uint64_t margin_ms;
    char nonce[MU_RANDOM_ID_SIZE];
    /* Where it stands; to be read, not written, by others. */
    enum mu_lease_state state;
    uint64_t epoch;    /* of the last lease that we held */
    uint64_t deadline; /* boottime ms: no fenced write is sent from then on */
    uint64_t highest;  /* highest epoch ever seen */
    uint64_t ticket;   /* of the last thing sent */
    bool pending;      /* its answer is due */
    uint64_t sent_at;  /* when it was sent: boottime ms, read before sending */
    uint64_t next_at;  /* when the next acquire or renewal is due */
    bool link_up;
    bool stopping;
    uint64_t rest_until; /* no acquire before: we stepped down, and nobody was elected yet */
    bool hinted;         /* a hint came while an acquire was under way */
    char holder[MU_LEASE_VALUE_SIZE]; /* last value seen of somebody else's lease, or "" */
    bool holder_whole;                /* it was not cut */
    uint64_t holder_since;            /* since when it is unchanged, on our clock */
};

/* `nonce` is random and drawn once a process, so that two daemons with one id share nothing.
 * The margin is a tenth of the ttl, between 20 and 1000 ms. */
void mu_lease_init(struct mu_lease *lease, const char *nonce, uint64_t ttl_ms, uint64_t renew_ms);

/* `now` is CLOCK_BOOTTIME in ms, read for this call. */
void mu_lease_step(struct mu_lease *lease, uint64_t now, const struct mu_lease_event *event,
                   struct mu_lease_actions *actions);

/* May a fenced write be sent at `now`? Read the clock for this question. */
bool mu_lease_may_act(const struct mu_lease *lease, uint64_t now);

#endif
