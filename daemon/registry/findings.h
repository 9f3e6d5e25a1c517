/* findings.h - the codes of what muster_look can find: one table for musterctl fsck, the scrub, the
 * tests and docs/FSCK.md.
 *
 * X(code, invariant, waits, mends, how)
 *   waits  it may be so for a while, since a coordinator is about to mend it
 *   mends  muster_repair (musterctl fsck --repair) can mend it
 *   how    what that does; else what a person can do
 */
#ifndef MU_REGISTRY_FINDINGS_H
#define MU_REGISTRY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#define MU_INVARIANTS 9

#define MU_FINDINGS(X)                                                                             \
    X(LEADER_NO_MEMBER, 1, 0, 1, "another leader is elected")                                      \
    X(LEADER_NO_CANDIDATE, 1, 0, 1, "another leader is elected")                                   \
    X(LEADER_NOT_ELIGIBLE, 1, 0, 1, "another leader is elected")                                   \
    X(LEADER_WAITS, 1, 1, 1, "another leader is elected; why did no coordinator do it?")           \
    X(NO_LEADER_UNLISTED, 1, 0, 1, "a leader is elected, or it goes into leaderless")              \
    X(LEADERLESS_WAITS, 1, 1, 1, "a leader is elected; why did no coordinator do it?")             \
    X(LEADERLESS_STALE, 1, 1, 1, "it is taken out of leaderless")                                  \
    X(SESSION_GONE, 2, 0, 1, "it is taken out of sessions")                                        \
    X(SESSION_UNLISTED, 2, 0, 1, "it goes into sessions")                                          \
    X(SESSION_EMPTY, 2, 0, 1, "it is closed")                                                      \
    X(SESSION_ENTRY, 2, 0, 1, "it is taken out of sessions")                                       \
    X(MEMBER_MALFORMED, 3, 0, 1, "the member leaves; its owner may ENTER again")                   \
    X(RECORD_MALFORMED, 3, 0, 1, "it is removed, and then the members without it leave")           \
    X(MEMBER_NO_RECORD, 3, 0, 1, "the member leaves; its owner may ENTER again")                   \
    X(RECORD_NOT_LISTING, 3, 0, 1, "the session goes into the record")                             \
    X(RECORD_NO_MEMBER, 3, 0, 1, "the session is taken out of the record")                         \
    X(USERS_DIFFER, 3, 0, 1, "the member leaves; its owner may ENTER again")                       \
    X(AWAY_DIFFERS, 3, 0, 1, "the member becomes what its record says, and that is published")     \
    X(QUARANTINED, 3, 0, 0, "look at them, mend what they belong to, then HDEL them")              \
    X(INSTANCE_NO_HASH, 4, 0, 1, "it is taken out of instances; it will START again")              \
    X(INSTANCE_MALFORMED, 4, 0, 1, "what cannot be believed is set to the cautious value")         \
    X(INSTANCE_ENTRY, 4, 0, 1, "it is taken out of instances")                                     \
    X(CONNECTIONS_UNLISTED, 4, 0, 1, "its instance is listed again, or they become a ghost")       \
    X(GHOST_NO_HASH, 4, 0, 1, "it is taken out of ghosts")                                         \
    X(GHOST_UNLISTED, 4, 0, 1, "it goes into ghosts, and is then reaped")                          \
    X(GHOST_NO_REASON, 4, 0, 1, "the reason becomes instance-dead")                                \
    X(GHOST_ENTRY, 4, 0, 1, "it is taken out of ghosts")                                           \
    X(KEY_UNKNOWN, 4, 0, 0, "find out who writes here; DEL it if nobody needs it")                 \
    X(KEY_TYPE, 4, 0, 1, "it is deleted: nothing of muster's is in it")                            \
    X(CANDIDATES_ORPHAN, 4, 0, 1, "they are deleted")                                              \
    X(USERS_ORPHAN, 4, 0, 1, "they are deleted")                                                   \
    X(COUNT_WRONG, 5, 0, 1, "it is set to the recount")                                            \
    X(ANONYMOUS_WRONG, 5, 0, 1, "it is set to the recount")                                        \
    X(USERS_WRONG, 5, 0, 1, "they are set to the recount")                                         \
    X(CANDIDATE_MISSING, 5, 0, 1, "it goes in, by its time of joining")                            \
    X(CANDIDATE_STRAY, 5, 0, 1, "it is taken out")                                                 \
    X(RANK_WRONG, 5, 0, 1, "it is set by priority and time of joining")                            \
    X(FIELD_UNKNOWN, 5, 0, 1, "it is removed")                                                     \
    X(FIELD_BAD, 5, 0, 1, "it is removed; CONFIGURE sets it anew")                                 \
    X(HELD_TOO_FEW, 5, 0, 1, "it is set to the recount")                                           \
    X(HELD_TOO_MANY, 5, 0, 1, "it is set to the recount")                                          \
    X(LEADS_LACKS, 6, 0, 1, "the session goes into these leads")                                   \
    X(LEADS_STRAY, 6, 0, 1, "the session is taken out of these leads")                             \
    X(LEADS_ENTRY, 6, 0, 1, "it is taken out of these leads")                                      \
    X(SEQ_BAD, 7, 0, 1, "it is set above all that was handed out; readers see a gap")              \
    X(TERM_BAD, 7, 0, 1, "a higher one is given to the same leader, and announced")                \
    X(TERM_ABOVE_SEQ, 7, 0, 1, "#seq is set to #term; readers see a gap")                          \
    X(BELOW_OPENING, 7, 0, 1, "they are set above all that was handed out")                        \
    X(GEN_BAD, 7, 0, 1, "the session gets the present generation, and a new term is announced")    \
    X(CLOCK_BAD, 7, 0, 1, "it is set to the present time")                                         \
    X(CONFIG_BAD, 7, 0, 0, "DEL config: a coordinator then rotates to a new generation")           \
    X(EVENT_BAD, 7, 0, 0, "find out who publishes on this channel beside the functions")           \
    X(EVENT_GAP, 7, 0, 0, "readers must read a new snapshot; report the lines around it")          \
    X(EVENT_TERM, 7, 0, 0, "report this with the lines around it")                                 \
    X(MEMBER_OF_NOBODY, 8, 0, 1, "the member leaves")                                              \
    X(INSTANCE_TRACE, 8, 0, 1, "it is deleted")                                                    \
    X(ALIVE_TRACE, 8, 1, 1, "it is deleted")                                                       \
    X(INSTANCE_BURIED, 8, 0, 1, "the entry in buried goes, unless there is a ghost")               \
    X(GHOST_TRACE, 8, 0, 1, "it is deleted")                                                       \
    X(GHOST_NOT_BURIED, 8, 0, 1, "it goes into buried")                                            \
    X(GHOST_OVERDUE, 8, 1, 0, "see that a coordinator runs (musterctl status): it reaps")          \
    X(BURIED_ENTRY, 8, 0, 1, "it is taken out of buried")                                          \
    X(DEADLINE_ENTRY, 8, 0, 1, "it is taken out of deadlines")                                     \
    X(DEADLINE_MISSING, 8, 0, 1, "it goes into deadlines, as its record says")                     \
    X(DEADLINE_OVERDUE, 8, 1, 0, "see that a coordinator runs (musterctl status): it ends it")     \
    X(LEASE_MALFORMED, 9, 0, 1, "it is deleted, and a coordinator takes it anew")                  \
    X(LEASE_FOREVER, 9, 0, 1, "it is deleted, and a coordinator takes it anew")                    \
    X(LEASE_AHEAD, 9, 0, 1, "epoch is set above the lease's and the present time")                 \
    X(EPOCH_BAD, 9, 0, 1, "it is set above the lease's and the present time")

struct mu_finding_info {
    const char *code;
    int invariant;
    bool waits;
    bool mends;
    const char *how;
};

extern const struct mu_finding_info mu_finding_infos[];
extern const size_t mu_finding_count;

/* NULL when there is no such code. */
const struct mu_finding_info *mu_finding_info(const char *code);

#endif
