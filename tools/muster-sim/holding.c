#include "holding.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum slot_state { OUT, IN, LOST, REMOVED, REFUSED };

struct slot {
    uint8_t state;
    bool held_before;  /* acknowledged to an earlier incarnation */
    uint32_t stamp;    /* of the last snapshot that had it */
    uint64_t seq;      /* when acknowledged */
    uint64_t left_seq; /* of the last event that said it left; 0: none */
};

struct connection {
    bool present; /* the goal */
    bool leave_first;
    bool registered;
    bool in_flight;
    bool uncertain; /* a call had an unknown outcome */
    uint32_t version;
    uint32_t told_version;
};

struct mu_holding {
    const struct mu_plan *plan;
    struct mu_journal *journal;
    const char *instance;
    struct connection *connections;
    struct slot *slots; /* connections * joins */
    uint32_t stamp;
    struct mu_holding_totals totals;
};

struct mu_holding *mu_holding_create(const struct mu_plan *plan, struct mu_journal *journal,
                                     const char *instance) {
    struct mu_holding *holding = mu_calloc(1, sizeof *holding);
    size_t count = mu_plan_connections(plan);
    size_t slots = count * mu_plan_joins(plan);
    holding->plan = plan;
    holding->journal = journal;
    holding->instance = instance;
    holding->connections = mu_calloc(count ? count : 1, sizeof *holding->connections);
    holding->slots = mu_calloc(slots ? slots : 1, sizeof *holding->slots);
    for (size_t i = 0; i < count; i++) {
        holding->connections[i].present = true;
        holding->connections[i].version = 1;
    }
    return holding;
}

void mu_holding_destroy(struct mu_holding **holding) {
    if (!*holding)
        return;
    free((*holding)->connections);
    free((*holding)->slots);
    free(*holding);
    *holding = NULL;
}

static struct slot *slots_of(const struct mu_holding *holding, uint32_t connection) {
    return &holding->slots[(size_t)connection * mu_plan_joins(holding->plan)];
}

/* The only place where a slot changes its state, so that the totals stay true. */
static void set_slot(struct mu_holding *holding, struct slot *slot, enum slot_state state) {
    if (slot->state == IN)
        holding->totals.memberships--;
    if (state == IN)
        holding->totals.memberships++;
    slot->state = (uint8_t)state;
}

static void set_registered(struct mu_holding *holding, uint32_t connection, bool registered) {
    struct connection *c = &holding->connections[connection];
    if (c->registered && !registered)
        holding->totals.connections--;
    if (!c->registered && registered)
        holding->totals.connections++;
    c->registered = registered;
}

void mu_holding_renew(struct mu_holding *holding) {
    uint32_t joins = mu_plan_joins(holding->plan);
    for (uint32_t i = 0; i < mu_plan_connections(holding->plan); i++) {
        struct connection *c = &holding->connections[i];
        struct slot *slots = slots_of(holding, i);
        for (uint32_t k = 0; k < joins; k++) {
            if (slots[k].state == IN)
                slots[k].held_before = true;
            if (!c->present)
                slots[k].held_before = false;
            set_slot(holding, &slots[k], OUT);
        }
        set_registered(holding, i, false);
        c->in_flight = false;
        c->uncertain = false;
    }
    struct mu_holding_totals *totals = &holding->totals;
    totals->joined = totals->adopted = totals->repeated = totals->rebuilt = 0;
}

bool mu_holding_present(const struct mu_holding *holding, uint32_t connection) {
    return holding->connections[connection].present;
}

void mu_holding_set_goal(struct mu_holding *holding, uint32_t connection, bool present,
                         bool leave_first) {
    holding->connections[connection].present = present;
    holding->connections[connection].leave_first = leave_first;
}

void mu_holding_touch_profile(struct mu_holding *holding, uint32_t connection) {
    holding->connections[connection].version++;
}

struct mu_step mu_holding_next(const struct mu_holding *holding, uint32_t connection) {
    const struct connection *c = &holding->connections[connection];
    const struct slot *slots = slots_of(holding, connection);
    uint32_t joins = mu_plan_joins(holding->plan);
    struct mu_step step = {.connection = connection, .version = c->version};
    enum slot_state wanted = c->present ? OUT : IN;
    uint32_t slot = 0;
    while (slot < joins && slots[slot].state != wanted)
        slot++;
    step.slot = slot;
    if (c->present) {
        if (slot < joins)
            step.kind = c->registered ? MU_STEP_JOIN : MU_STEP_ENTER;
        else if (c->registered && c->told_version != c->version)
            step.kind = MU_STEP_UPDATE;
    } else if (c->registered) {
        step.kind = c->leave_first && slot < joins ? MU_STEP_LEAVE : MU_STEP_UNREGISTER;
    }
    return step;
}

void mu_holding_begin_step(struct mu_holding *holding, const struct mu_step *step) {
    holding->connections[step->connection].in_flight = true;
}

void mu_holding_repeat_step(struct mu_holding *holding, const struct mu_step *step) {
    holding->connections[step->connection].in_flight = false;
    holding->connections[step->connection].uncertain = true;
}

static struct connection *end_step(struct mu_holding *holding, const struct mu_step *step) {
    struct connection *c = &holding->connections[step->connection];
    c->in_flight = false;
    return c;
}

void mu_holding_entered(struct mu_holding *holding, const struct mu_step *step, enum mu_entry entry,
                        uint64_t seq) {
    struct connection *c = end_step(holding, step);
    struct slot *slot = &slots_of(holding, step->connection)[step->slot];
    struct mu_holding_totals *totals = &holding->totals;
    if (step->kind == MU_STEP_ENTER)
        c->told_version = step->version;
    set_registered(holding, step->connection, true);
    if (entry == MU_ENTRY_JOINED) {
        totals->joined++;
        totals->rebuilt += slot->held_before ? 1 : 0;
    } else if (entry == MU_ENTRY_ADOPTED) {
        totals->adopted++;
    } else {
        totals->repeated++;
    }
    c->uncertain = false;
    slot->held_before = false;
    slot->seq = seq;
    set_slot(holding, slot, IN);
    if (slot->left_seq > seq) { /* the event was faster than the reply */
        totals->lost++;
        set_slot(holding, slot, REMOVED);
    }
}

static void all_out(struct mu_holding *holding, uint32_t connection) {
    struct slot *slots = slots_of(holding, connection);
    for (uint32_t k = 0; k < mu_plan_joins(holding->plan); k++)
        set_slot(holding, &slots[k], OUT);
    set_registered(holding, connection, false);
}

void mu_holding_done(struct mu_holding *holding, const struct mu_step *step) {
    struct connection *c = end_step(holding, step);
    c->uncertain = false;
    if (step->kind == MU_STEP_UPDATE)
        c->told_version = step->version;
    else if (step->kind == MU_STEP_LEAVE)
        set_slot(holding, &slots_of(holding, step->connection)[step->slot], OUT);
    else if (step->kind == MU_STEP_UNREGISTER)
        all_out(holding, step->connection);
}

void mu_holding_refused(struct mu_holding *holding, const struct mu_step *step) {
    struct connection *c = end_step(holding, step);
    c->uncertain = false;
    holding->totals.refused++;
    if (step->kind == MU_STEP_ENTER || step->kind == MU_STEP_JOIN)
        set_slot(holding, &slots_of(holding, step->connection)[step->slot], REFUSED);
    else if (step->kind == MU_STEP_UPDATE)
        c->version = c->told_version;
    else
        mu_holding_done(holding, step);
}

void mu_holding_unknown(struct mu_holding *holding, const struct mu_step *step) {
    end_step(holding, step);
    all_out(holding, step->connection);
}

static void lose(struct mu_holding *holding, uint32_t session, uint32_t connection,
                 struct slot *slot, const char *kind, const char *how) {
    char id[MU_ID_SIZE], session_id[MU_ID_SIZE], text[512];
    mu_plan_connection_id(holding->plan, connection, id);
    mu_plan_session_id(holding->plan, session, session_id);
    snprintf(text, sizeof text, "'%s', a member as of seq %" PRIu64 ", %s", id, slot->seq, how);
    holding->totals.lost++;
    set_slot(holding, slot, LOST);
    mu_journal_suspect(holding->journal, kind, session_id, text);
}

static bool may_remove(const char *reason) {
    static const char *const reasons[] = {"kicked", "superseded", "expired", "exclusive",
                                          "disconnected"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

void mu_holding_saw_left(struct mu_holding *holding, uint32_t session,
                         const struct mu_event *event) {
    uint32_t connection;
    if (strcmp(event->instance, holding->instance) != 0 ||
        !mu_plan_find_connection(holding->plan, event->connection, &connection))
        return;
    const struct connection *c = &holding->connections[connection];
    struct slot *slots = slots_of(holding, connection);
    for (uint32_t k = 0; k < mu_plan_joins(holding->plan); k++) {
        struct slot *slot = &slots[k];
        if (mu_plan_session(holding->plan, connection, k) != session)
            continue;
        bool own_doing = !c->present || c->in_flight || c->uncertain;
        if (may_remove(event->reason) || !own_doing)
            slot->left_seq = event->seq;
        if ((slot->state != IN && slot->state != LOST) || event->seq <= slot->seq)
            continue; /* tells of an earlier membership */
        if (may_remove(event->reason)) {
            holding->totals.lost++;
            set_slot(holding, slot, REMOVED);
        } else if (slot->state == IN && !own_doing) {
            char how[300];
            snprintf(how, sizeof how, "left at seq %" PRIu64 " (%.100s) without asking", event->seq,
                     event->reason);
            lose(holding, session, connection, slot, "left-unasked", how);
        }
    }
}

/* Puts a new stamp on the slots of all own members. */
static void stamp_members(struct mu_holding *holding, uint32_t session,
                          const struct mu_snapshot *snapshot) {
    holding->stamp++;
    for (size_t i = 0; i < snapshot->own_count; i++) {
        uint32_t connection;
        if (!mu_plan_find_connection(holding->plan, snapshot->own[i], &connection))
            continue;
        struct slot *slots = slots_of(holding, connection);
        for (uint32_t k = 0; k < mu_plan_joins(holding->plan); k++)
            if (mu_plan_session(holding->plan, connection, k) == session)
                slots[k].stamp = holding->stamp;
    }
}

void mu_holding_saw_snapshot(struct mu_holding *holding, uint32_t session,
                             const struct mu_snapshot *snapshot) {
    size_t count;
    const struct mu_plan_place *places = mu_plan_places(holding->plan, session, &count);
    stamp_members(holding, session, snapshot);
    for (size_t i = 0; i < count; i++) {
        const struct connection *c = &holding->connections[places[i].connection];
        struct slot *slot = &slots_of(holding, places[i].connection)[places[i].slot];
        if (slot->state != IN || slot->stamp == holding->stamp || c->in_flight || c->uncertain ||
            (snapshot->gradual && slot->seq > snapshot->view.seq))
            continue;
        char how[300];
        snprintf(how, sizeof how, "is missing in a snapshot at seq %" PRIu64, snapshot->view.seq);
        lose(holding, session, places[i].connection, slot, "missing-in-snapshot", how);
    }
}

void mu_holding_recover(struct mu_holding *holding, void (*again)(void *context, uint32_t),
                        void *context) {
    for (uint32_t i = 0; i < mu_plan_connections(holding->plan); i++) {
        struct slot *slots = slots_of(holding, i);
        bool concerned = false;
        for (uint32_t k = 0; k < mu_plan_joins(holding->plan); k++) {
            if (slots[k].state != LOST)
                continue;
            set_slot(holding, &slots[k], OUT);
            concerned = true;
        }
        if (concerned)
            again(context, i);
    }
}

json_t *mu_holding_totals_json(const struct mu_holding *holding) {
    const struct mu_holding_totals *t = &holding->totals;
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"connections", t->connections}, {"memberships", t->memberships},
        {"joined", t->joined},           {"adopted", t->adopted},
        {"repeated", t->repeated},       {"rebuilt", t->rebuilt},
        {"refused", t->refused},         {"lost", t->lost},
    };
    json_t *totals = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        json_object_set_new(totals, fields[i].name, json_integer((json_int_t)fields[i].value));
    return totals;
}

static json_t *describe(const struct mu_holding *holding, uint32_t connection,
                        struct mu_buffer *profile) {
    const struct connection *c = &holding->connections[connection];
    const struct slot *slots = slots_of(holding, connection);
    char id[MU_ID_SIZE];
    json_t *entry = json_object();
    mu_plan_connection_id(holding->plan, connection, id);
    json_object_set_new(entry, "connection", json_string(id));
    if (mu_plan_user(holding->plan, connection, id))
        json_object_set_new(entry, "user", json_string(id));
    mu_plan_profile(holding->plan, connection, c->told_version, profile);
    if (profile->length > 0)
        json_object_set_new(entry, "profile", json_loads(profile->data, 0, NULL));
    json_t *sessions = json_array();
    for (uint32_t k = 0; k < mu_plan_joins(holding->plan); k++) {
        if (slots[k].state != IN)
            continue;
        mu_plan_session_id(holding->plan, mu_plan_session(holding->plan, connection, k), id);
        json_array_append_new(sessions, json_string(id));
    }
    json_object_set_new(entry, "sessions", sessions);
    if (c->in_flight || c->uncertain)
        json_object_set_new(entry, "pending", json_true());
    return entry;
}

json_t *mu_holding_report(const struct mu_holding *holding) {
    json_t *list = json_array();
    struct mu_buffer profile;
    mu_buffer_init(&profile, 0);
    for (uint32_t i = 0; i < mu_plan_connections(holding->plan); i++)
        if (holding->connections[i].registered)
            json_array_append_new(list, describe(holding, i, &profile));
    mu_buffer_deinit(&profile);
    return list;
}
