/* codes.h - what can be found: each with its invariant (docs/ARCHITECTURE.md numbers them), whether
 * it may be so for a while, and how it is mended by hand. */
#ifndef MU_CTL_FSCK_CODES_H
#define MU_CTL_FSCK_CODES_H

#include <stdint.h>

#define MU_INVARIANTS 9

#define MU_REENTER "let its owner ENTER it again, or KICK it"

#define MU_CODES(X)                                                                                \
    X(LEADER_NO_MEMBER, 1, 0, "PROMOTE an eligible member; HSET #leader '' if there is none")      \
    X(LEADER_NO_CANDIDATE, 1, 0, "PROMOTE a member that may lead")                                 \
    X(LEADER_NOT_ELIGIBLE, 1, 0,                                                                   \
      "PROMOTE an eligible member, or SADD the session to the leads of the leader's instance")     \
    X(LEADER_WAITS, 1, 1, "see that a coordinator runs (musterctl status): it moves leaderships")  \
    X(NO_LEADER_UNLISTED, 1, 0, "SADD it to leaderless: the coordinator then elects")              \
    X(LEADERLESS_WAITS, 1, 1, "see that a coordinator runs (musterctl status): it sweeps")         \
    X(LEADERLESS_STALE, 1, 1, "SREM it from leaderless")                                           \
    X(SESSION_GONE, 2, 0, "ZREM it from sessions")                                                 \
    X(SESSION_UNLISTED, 2, 0, "ZADD it to sessions with the time of its opening")                  \
    X(SESSION_EMPTY, 2, 0, "DEL it and its candidates and users, ZREM it from sessions")           \
    X(SESSION_ENTRY, 2, 0, "ZREM it from sessions")                                                \
    X(MEMBER_MALFORMED, 3, 0, MU_REENTER " after an HDEL of the field")                            \
    X(RECORD_MALFORMED, 3, 0, "HDEL it and let its owner ENTER its sessions again")                \
    X(MEMBER_NO_RECORD, 3, 0, MU_REENTER)                                                          \
    X(RECORD_NOT_LISTING, 3, 0, MU_REENTER)                                                        \
    X(RECORD_NO_MEMBER, 3, 0, "take the session out of the record, or let its owner ENTER it")     \
    X(USERS_DIFFER, 3, 0, "let its owner UNREGISTER the connection and ENTER again")               \
    X(QUARANTINED, 3, 0, "look at them, mend what they belong to, then HDEL them")                 \
    X(INSTANCE_NO_HASH, 4, 0, "ZREM it from instances; it will START again")                       \
    X(INSTANCE_MALFORMED, 4, 0, "DEL the hash; the instance is told so and will START again")      \
    X(INSTANCE_ENTRY, 4, 0, "ZREM it from instances")                                              \
    X(CONNECTIONS_UNLISTED, 4, 0, "ZADD the instance to instances: the coordinator buries it")     \
    X(GHOST_NO_HASH, 4, 0, "ZREM it from ghosts")                                                  \
    X(GHOST_UNLISTED, 4, 0, "ZADD it to ghosts with the present time: it is then reaped")          \
    X(GHOST_NO_REASON, 4, 0, "HSET the hash #reason instance-dead")                                \
    X(GHOST_ENTRY, 4, 0, "ZREM it from ghosts")                                                    \
    X(KEY_UNKNOWN, 4, 0, "find out who writes here; DEL it if nobody needs it")                    \
    X(KEY_TYPE, 4, 0, "DEL or RENAME it; the owners enter again what it held")                     \
    X(CANDIDATES_ORPHAN, 4, 0, "DEL it")                                                           \
    X(USERS_ORPHAN, 4, 0, "DEL it")                                                                \
    X(COUNT_WRONG, 5, 0, "HSET #count to the recount")                                             \
    X(ANONYMOUS_WRONG, 5, 0, "HSET #anonymous to the recount")                                     \
    X(USERS_WRONG, 5, 0, "HSET the user to the recount, HDEL it at 0")                             \
    X(CANDIDATE_MISSING, 5, 0, "ZADD it to candidates with its rank")                              \
    X(CANDIDATE_STRAY, 5, 0, "ZREM it from candidates")                                            \
    X(RANK_WRONG, 5, 0, "ZADD it with (1023 - priority) * 2^42 + seq at joining")                  \
    X(FIELD_UNKNOWN, 5, 0, "HDEL it")                                                              \
    X(LEADS_LACKS, 6, 0, "SADD the session to these leads")                                        \
    X(LEADS_STRAY, 6, 0, "SREM the session from these leads")                                      \
    X(LEADS_ENTRY, 6, 0, "SREM it from these leads")                                               \
    X(SEQ_BAD, 7, 0, "HSET #seq above every seq that was ever seen")                               \
    X(TERM_BAD, 7, 0, "HSET #term above every term that was ever seen")                            \
    X(TERM_ABOVE_SEQ, 7, 0, "HSET #seq to at least #term")                                         \
    X(BELOW_OPENING, 7, 0, "HSET #seq and #term above every number that was ever seen")            \
    X(GEN_BAD, 7, 0, "HSET #gen to any other id than the present generation: it is then lifted")   \
    X(CLOCK_BAD, 7, 0, "SET it to the present time in ms")                                         \
    X(CONFIG_BAD, 7, 0, "start a coordinator, which rotates to a new generation")                  \
    X(EVENT_BAD, 7, 0, "find out who publishes on this channel beside the functions")              \
    X(EVENT_GAP, 7, 0, "readers must read a new snapshot; report this with the lines around it")   \
    X(EVENT_TERM, 7, 0, "report this with the lines around it")                                    \
    X(MEMBER_OF_NOBODY, 8, 0, "KICK it")                                                           \
    X(INSTANCE_TRACE, 8, 0, "DEL it")                                                              \
    X(ALIVE_TRACE, 8, 1, "DEL it")                                                                 \
    X(INSTANCE_BURIED, 8, 0, "stop this process; it must START with a new incarnation")            \
    X(GHOST_TRACE, 8, 0, "DEL it")                                                                 \
    X(GHOST_NOT_BURIED, 8, 0, "ZADD it to buried with the present time")                           \
    X(GHOST_OVERDUE, 8, 1, "see that a coordinator runs (musterctl status): it reaps")             \
    X(BURIED_ENTRY, 8, 0, "ZREM it")                                                               \
    X(DEADLINE_ENTRY, 8, 0, "ZREM it from deadlines")                                              \
    X(LEASE_MALFORMED, 9, 0, "DEL it: a coordinator takes it anew")                                \
    X(LEASE_FOREVER, 9, 0, "DEL it: a coordinator takes it anew")                                  \
    X(LEASE_AHEAD, 9, 0, "SET epoch to at least the lease's")                                      \
    X(EPOCH_BAD, 9, 0, "SET it to the present time in ms")

enum mu_code {
#define MU_CODE_ENUM(name, invariant, waits, mend) MU_##name,
    MU_CODES(MU_CODE_ENUM)
#undef MU_CODE_ENUM
        MU_CODE_COUNT
};

struct mu_code_info {
    int invariant;
    int waits;
    const char *mend;
};

extern const struct mu_code_info mu_code_infos[MU_CODE_COUNT];

#define MU_BIT(code) (UINT64_C(1) << (code))
/* The codes that may be so for a while. */
uint64_t mu_codes_waiting(void);

#endif
