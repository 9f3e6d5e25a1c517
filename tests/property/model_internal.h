/* model_internal.h - what the files of the model share. */
#ifndef PM_MODEL_INTERNAL_H
#define PM_MODEL_INTERNAL_H

#include "property/model.h"

/* ---- arguments: each check adds its code to the refusals ---- */
void pm_refuse(struct pm_outcome *outcome, enum muster_status status);
/* The argument, or "" when it was not given. */
const char *pm_argument(const struct pm_call *call, size_t index);
void pm_check_id(struct pm_outcome *outcome, const char *text);
/* Nothing is wrong with "" (none). */
void pm_check_object(struct pm_outcome *outcome, const char *text, long long limit);
long long pm_check_number(struct pm_outcome *outcome, const char *text, long long low,
                          long long high);
void pm_check_count(struct pm_outcome *outcome, const struct pm_call *call, size_t least,
                    size_t most);
/* UNAVAILABLE unless the data is confirmed. */
void pm_check_serving(const struct pm_state *state, struct pm_outcome *outcome);
void pm_check_fence(const struct pm_state *state, struct pm_outcome *outcome, const char *epoch);
/* The registered instance of this very incarnation; NULL after refusing. */
struct pm_instance *pm_check_own(struct pm_state *state, struct pm_outcome *outcome, const char *id,
                                 const char *incarnation);

struct pm_options {
    const char *user;
    const char *secret;
    long long ttl;
    long long limit; /* 0: none */
    int priority;
    bool never_leads;
    bool exclusive;
    const char *holder;         /* of the quota; NULL: there is none */
    long long most_connections; /* 0: no bound */
    long long most_sessions;
};
/* `allowed`: names with a space on each side. */
struct pm_options pm_check_options(struct pm_state *state, struct pm_outcome *outcome,
                                   const char *text, const char *allowed);

/* A whole number, also one like 3.0. */
bool pm_whole_number(const json_t *value, long long low, long long high, long long *number);
bool pm_take_quota(struct pm_state *state, struct pm_outcome *outcome, struct pm_options *options,
                   const json_t *value);
/* RATE_LIMITED when the call gave the holder more, and more than it may have. */
void pm_check_quota(const struct pm_state *before, const struct pm_state *after,
                    struct pm_outcome *outcome, const struct pm_options *options);

/* ---- events ---- */
/* Steals `more` (may be NULL). */
void pm_publish(struct pm_outcome *outcome, const char *channel, json_t *payload);
void pm_instance_event(struct pm_state *state, struct pm_outcome *outcome, const char *event,
                       const char *id, const char *incarnation, size_t connections,
                       const char *reason);
void pm_session_event(struct pm_state *state, struct pm_outcome *outcome,
                      struct pm_session *session, const char *event, json_t *more);
json_t *pm_text_or_null(const char *text);
json_t *pm_member_json(const struct pm_member *member);

/* ---- what several operations do ---- */
/* Seq and term rise above the clock with the first write of a generation. */
bool pm_lift(struct pm_state *state, struct pm_session *session);
struct pm_session *pm_open(struct pm_state *state, const char *id);
/* The last member left, and nothing keeps the session: the clock remembers its numbers. */
void pm_close(struct pm_state *state, struct pm_session *session);
/* The best eligible candidate but `except` leads from now on, or nobody does. */
void pm_elect(struct pm_state *state, struct pm_outcome *outcome, struct pm_session *session,
              const char *except, const char *reason);
void pm_lead(struct pm_state *state, struct pm_outcome *outcome, struct pm_session *session,
             const char *leader, const char *reason);
/* How a session stands after a call, also when it ended with it. */
struct pm_stand {
    bool exists;
    bool known; /* seq and term are */
    const char *leader;
    long long seq;
    long long term;
    size_t count;
};
/* `session` may be NULL. */
struct pm_stand pm_stand(const struct pm_session *session);
/* `detail` may be NULL. */
struct pm_stand pm_remove(struct pm_state *state, struct pm_outcome *outcome,
                          struct pm_session *session, const char *connection, const char *reason,
                          const char *detail);
void pm_forget_session(struct pm_state *state, const char *instance, const char *incarnation,
                       const char *connection, const char *session);
bool pm_lists(const struct pm_record *record, const char *session);
void pm_unlist(struct pm_record *record, const char *session);
struct pm_record *pm_new_record(struct pm_state *state, const char *instance,
                                const char *incarnation, const char *connection);
void pm_delete_record(struct pm_state *state, struct pm_record *record);
void pm_delete_session(struct pm_state *state, struct pm_session *session);
/* Returns how many connections it had. */
size_t pm_bury(struct pm_state *state, struct pm_instance *instance, const char *reason);
/* A sign of life; true when it is up again. */
bool pm_heard(struct pm_state *state, struct pm_outcome *outcome, struct pm_instance *instance);
void pm_set_up_record(struct pm_state *state, struct pm_record *record,
                      const struct pm_options *options, const char *profile);
/* An away connection is back, in all its sessions. */
void pm_bring_back(struct pm_state *state, struct pm_outcome *outcome, struct pm_record *record);
const char *pm_reason_of_ineligible(struct pm_state *state, const char *instance,
                                    const char *incarnation);

/* ---- operations, by file ---- */
typedef void pm_operation(struct pm_state *state, const struct pm_call *call,
                          const struct pm_seen *seen, struct pm_outcome *outcome);
pm_operation pm_op_start, pm_op_heartbeat, pm_op_stop, pm_op_drain, pm_op_move, pm_op_order;
pm_operation pm_op_register, pm_op_update, pm_op_unregister, pm_op_touch, pm_op_disconnect,
    pm_op_resume;
pm_operation pm_op_enter, pm_op_join, pm_op_leave, pm_op_kick, pm_op_promote, pm_op_configure;
pm_operation pm_op_acquire, pm_op_renew, pm_op_release, pm_op_confirm, pm_op_rotate;
pm_operation pm_op_beats, pm_op_suspect, pm_op_bury;
pm_operation pm_op_elect, pm_op_sweep, pm_op_reap, pm_op_expire;

#endif
