/* beats.h - writes into Redis what was heard on the heartbeat channel.
 *
 * An instance may publish its heartbeats instead of calling HEARTBEAT; then its score in
 * `instances` is the coordinator's to renew. The happy path: heard - kept until the next regular
 * round of scores - its score did not move by itself meanwhile - written, in batches, one at a
 * time. Who calls HEARTBEAT sounds on the channel too, but its score moved: it costs no second
 * write. A suspect that is heard is written at once, which makes it up again.
 *
 * Ways to fail: a batch is refused or its answer is lost; nothing is repeated, since the next
 * heartbeat is due within a second.
 */
#ifndef MU_COORDINATOR_BEATS_H
#define MU_COORDINATOR_BEATS_H

#include <stdint.h>

#include "base/log.h"
#include "coordinator/detector.h"
#include "coordinator/fence.h"

struct mu_beats;

struct mu_beats_options {
    struct mu_fence *fence;
    struct mu_detector *detector;
    struct mu_log *log;
    void *context;
    void (*on_up)(void *context);  /* a suspect became eligible */
    void (*on_odd)(void *context); /* `instances` should be polled */
};

struct mu_beats *mu_beats_create(const struct mu_beats_options *options);
void mu_beats_destroy(struct mu_beats **beats);
/* Forgets what was heard. */
void mu_beats_stop(struct mu_beats *beats);

void mu_beats_heard(struct mu_beats *beats, uint64_t now, const char *instance,
                    const char *incarnation);
/* The detector took in a round of scores that was asked at `sent_at`. */
void mu_beats_polled(struct mu_beats *beats, uint64_t sent_at, bool regular);
void mu_beats_tick(struct mu_beats *beats);

#endif
