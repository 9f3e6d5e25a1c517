/* replay.h - holds events against the model and against Redis.
 *
 * A replay starts from the sessions as they stand (or from nothing) and follows every event as a
 * reader would. It fails the test when, within one opening and generation of a session, a seq is
 * missing or comes twice; when a term falls, or is given to two leaders; when somebody joins who is
 * a member already, or leaves who is none; when a count is wrong. mt_replay_compare() then demands
 * that what the events tell is exactly what Redis holds.
 */
#ifndef MT_REPLAY_H
#define MT_REPLAY_H

#include "lib/events.h"

struct mt_replay;

struct mt_replay *mt_replay_create(struct mt_world *world);
void mt_replay_destroy(struct mt_replay **replay);

/* Takes over the sessions as Redis holds them, as a reader does on every subscription; events that
 * come later but are older are passed over. Terms seen before are not forgotten. */
void mt_replay_load(struct mt_replay *replay, struct mt_redis *redis);
/* The same where Redis may have forgotten its last writes (a promoted replica): what it has
 * forgotten is excused, but no seq or term that was seen may be given again. Every event that comes
 * later must be newer than what is read here: nobody writes meanwhile. */
void mt_replay_reload(struct mt_replay *replay, struct mt_redis *redis);
/* Follows one event of a session. */
void mt_replay_event(struct mt_replay *replay, const json_t *event);
/* Follows the events from index *next on and moves *next behind the last. */
void mt_replay_follow(struct mt_replay *replay, const struct mt_events *events, size_t *next);
/* Every session: members, count, leader, term, seq. No change may be under way. */
void mt_replay_compare(struct mt_replay *replay, struct mt_redis *redis);

#endif
