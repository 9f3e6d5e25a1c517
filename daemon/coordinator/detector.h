/* detector.h - who is silent, and what follows: a pure core, signals in, verdicts out.
 *
 * Silence is measured on our own clock, from when we *saw* a sign of life: a heartbeat heard on the
 * channel, or a score in `instances` that changed. It is never "Redis now minus score". It begins
 * anew for everyone whenever we may have been blind ourselves (mu_detector_reset,
 * mu_detector_sight).
 *
 *     up - `suspect_after_ms` of silence, an inbox that closed, a lifeline cut - suspect verdict
 *     suspect - `dead_after_ms` of silence - bury verdict
 *
 * A verdict is only a proposal: it carries the incarnation and the score it was formed with, and
 * Redis refuses it (ALIVE, STALE_INCARNATION) if either moved. The answer is fed back with
 * mu_detector_result(); until then the instance gets no further verdict.
 *
 * An inbox that closed: PUBSUB NUMSUB 0 after it was seen at 1 or more, twice in a row. The signal
 * is used up by the suspicion that it caused; the inbox must be seen open again to count once more.
 *
 * A lifeline cut: a RESP door saw the end of the socket that last brought its START or HEARTBEAT.
 * It may have started so recently that it, or this incarnation, is found by the next poll only. The
 * suspicion waits for that poll, so that its score is today's, and uses the signal up. Any
 * sign of life seen in between takes it back. One that came *before* the signal may have been of
 * that socket, or of another at another daemon. So the signal says for how long the socket was
 * quiet: a younger heartbeat on the channel came from elsewhere, and the signal means nothing any
 * more. Two things cannot be told apart: heartbeats of both sockets within LIFELINE_SLACK_MS, and a
 * START elsewhere, which does not sound on the channel. Then it is suspected once, and its next
 * heartbeat takes it back. And where a heartbeat reached us later than the slack after the door had
 * its answer, a true end is passed over: silence decides.
 *
 * No clock, no loop, no Redis here. `now` is boottime in ms everywhere.
 */
#ifndef MU_COORDINATOR_DETECTOR_H
#define MU_COORDINATOR_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"
#include "coordinator/brake.h"
#include "muster/status.h"

#define MU_SCORE_SIZE 32

enum mu_verdict_kind { MU_VERDICT_SUSPECT, MU_VERDICT_BURY };

struct mu_verdict {
    /* For people: */
    const char *cause;    /* "silence", "lifeline" or "inbox" */
    const char *heard_by; /* the last sign of life: "channel", "score"; "nothing": none was seen */
    uint64_t silent_ms;   /* since then, or since we began to look */
    uint64_t quiet_ms;    /* lifeline: since that socket brought its last sign of life */
    char daemon[MU_ID_SIZE]; /* lifeline: whose door it was; "" when it was not told */
    /* For Redis: */
    char instance[MU_ID_SIZE];
    char incarnation[MU_ID_SIZE];
    char score[MU_SCORE_SIZE]; /* as Redis wrote it */
    enum mu_verdict_kind kind;
};

struct mu_detector_instance { /* a look from outside */
    const char *instance;
    const char *incarnation; /* "" while not known */
    bool suspect;
    bool draining;
    bool details_due; /* incarnation, state and draining should be read again */
};

struct mu_detector;

struct mu_detector *mu_detector_create(uint64_t suspect_after_ms, uint64_t dead_after_ms);
void mu_detector_destroy(struct mu_detector **detector);
/* Other times, for what is silent already, too. What is shorter than before waits until `now` is
 * `not_before`: until then instances may heartbeat as slowly as they were told. */
void mu_detector_set_times(struct mu_detector *detector, uint64_t now, uint64_t not_before,
                           uint64_t suspect_after_ms, uint64_t dead_after_ms);
/* Forgets every instance: a new tenure knows nothing. */
void mu_detector_clear(struct mu_detector *detector);

/* Everybody's silence begins anew, and every inbox has to be seen open again. */
void mu_detector_reset(struct mu_detector *detector, uint64_t now);
/* Whether we see at all at present. Blind: no verdicts. Seeing again: a reset. */
void mu_detector_sight(struct mu_detector *detector, uint64_t now, bool seeing);

/* One poll of `instances`: begin, each instance with its score, end. What was not among them is
 * forgotten. `sent_at` is when it was asked. */
void mu_detector_poll_begin(struct mu_detector *detector, uint64_t sent_at);
void mu_detector_poll_score(struct mu_detector *detector, uint64_t now, const char *instance,
                            const char *score);
void mu_detector_poll_end(struct mu_detector *detector);

/* What `instance:<i>` says; `incarnation` NULL: there is no such hash. */
void mu_detector_details(struct mu_detector *detector, uint64_t now, const char *instance,
                         const char *incarnation, bool suspect, bool draining);
/* Something happened to it: its details have to be read again. */
void mu_detector_details_due(struct mu_detector *detector, const char *instance);

enum mu_heard {
    MU_HEARD,         /* a sign of life of the incarnation that we know */
    MU_HEARD_SUSPECT, /* the same, of one that is suspect: tell Redis at once */
    MU_HEARD_OTHER,   /* of another incarnation than we know, or its details are not known yet */
    MU_HEARD_UNKNOWN  /* of an instance that we do not know */
};
/* A heartbeat heard on the channel. */
enum mu_heard mu_detector_heard(struct mu_detector *detector, uint64_t now, const char *instance,
                                const char *incarnation);
/* We wrote what was heard of it: the next change of its score is our own doing. */
void mu_detector_written(struct mu_detector *detector, const char *instance);
/* Did its score change by its own doing in the last poll? */
bool mu_detector_moved(const struct mu_detector *detector, const char *instance);
/* Is it suspect, as far as we know? */
bool mu_detector_suspects(const struct mu_detector *detector, const char *instance);
/* Redis says it is up again. */
void mu_detector_revived(struct mu_detector *detector, const char *instance);

/* One probe of its inbox. True: it may have closed and should be probed a second time, soon. Found
 * fastest in the order of mu_detector_each(). */
bool mu_detector_inbox(struct mu_detector *detector, const char *instance, uint64_t subscribers);

/* A door of `daemon` ("": not told) saw the end of its socket, which had been quiet for so long (0:
 * not told). True: it may be dead, and `instances` should be polled at once; false: it was heard
 * elsewhere meanwhile. */
bool mu_detector_lifeline(struct mu_detector *detector, uint64_t now, const char *instance,
                          const char *incarnation, uint64_t quiet_ms, const char *daemon);

/* What is due now, for the brake. `cleared`: see mu_brake_cleared(). False: nothing is, and of
 * `view` only `instances` is told. That costs next to nothing until somebody can be due. */
bool mu_detector_view(struct mu_detector *detector, uint64_t now, uint64_t cleared,
                      struct mu_brake_view *view);
/* At most `room` verdicts, of instances that were not heard after `permit` (mu_brake_judge());
 * what is left over comes next time. */
size_t mu_detector_tick(struct mu_detector *detector, uint64_t now, uint64_t permit,
                        struct mu_verdict *verdicts, size_t room);
/* How a verdict ended. True: `instances` should be polled at once. */
bool mu_detector_result(struct mu_detector *detector, uint64_t now,
                        const struct mu_verdict *verdict, enum muster_status status);

size_t mu_detector_count(const struct mu_detector *detector);
/* Another number each time when an instance came or went. */
uint64_t mu_detector_version(const struct mu_detector *detector);
/* Calls `each` for every instance; `each` may not change the detector. */
void mu_detector_each(const struct mu_detector *detector,
                      void (*each)(void *context, const struct mu_detector_instance *instance),
                      void *context);

#endif
