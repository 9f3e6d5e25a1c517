/* sim.h - muster-sim instances as real processes, and what they believe against what is true. */
#ifndef MT_SIM_H
#define MT_SIM_H

#include "lib/process.h"
#include "lib/redis.h"

/* Where a simulated instance goes: `--url URL`, `--state-dir DIR`, or `--door ADDRESS[,ADDRESS…]`.
 */
struct mt_sim_place {
    struct mt_world *world;
    const char *option;
    const char *value;
};

/* Starts instance `id` as process `name` (output `<dir>/<name>.out`, report `<dir>/<name>.report`).
 * Further options of muster-sim end with NULL (the macro adds it). */
#define mt_sim_start(place, name, id, ...)                                                         \
    mt_sim_start_words((place), (name), (id), (const char *const[]){__VA_ARGS__, NULL})
struct mt_process *mt_sim_start_words(const struct mt_sim_place *place, const char *name,
                                      const char *id, const char *const options[]);

/* Waits for the next line that says `what` ("entered", "taken-over", …); the caller owns it. */
json_t *mt_sim_wait(struct mt_process *sim, const char *what);
void mt_sim_await(struct mt_process *sim, const char *what);
/* Turns churn off and waits until nothing is in flight and every event was heard. To be asked once
 * of a sim that churns, as often as one likes of one that does not. */
void mt_sim_hush(struct mt_process *sim);
/* The report, complete or not; the caller owns it. */
json_t *mt_sim_report(struct mt_process *sim);
/* A number of a report's `totals`. */
long long mt_sim_total(const json_t *report, const char *name);

/* At a quiet point: the instance is settled and saw no anomaly; each of its memberships stands in
 * Redis under its incarnation, with its profile, and no other does; and every session that it
 * follows looks to it as it is (leader, term, seq, generation, count). */
void mt_sim_check(struct mt_process *sim, struct mt_redis *redis);
/* The same for a report made before; nothing may have changed since. */
void mt_sim_check_report(struct mt_process *sim, const json_t *report, struct mt_redis *redis);

#endif
