#include "registry/gate.h"

#include "base/clock.h"
#include "registry/read_internal.h"

static bool has_room(const struct mu_gate *gate, size_t fields) {
    return gate->fields == 0 || gate->fields + fields <= MU_GATE_FIELDS;
}

static void come_in(struct mu_gate *gate, struct mu_read *read) {
    gate->fields += read->fields;
    read->inside = true;
}

void mu_gate_enter(struct mu_gate *gate, struct mu_read *read, size_t fields,
                   void (*start)(struct mu_read *read)) {
    read->fields = fields > 0 ? fields : 1;
    if (!gate->first && has_room(gate, read->fields)) {
        come_in(gate, read);
        start(read);
        return;
    }
    read->waiting = true;
    read->start = start;
    read->since = mu_clock_boottime_ms();
    read->next = NULL;
    if (gate->first) {
        gate->last->next = read;
    } else {
        gate->first = read;
    }
    gate->last = read;
}

static void let_in(struct mu_gate *gate, struct mu_read *read) {
    read->waiting = false;
    if (mu_clock_boottime_ms() - read->since > MU_GATE_WAIT_MS) {
        mu_read_fail(read, MUSTER_UNAVAILABLE, "Redis is busy with larger reads");
    } else {
        come_in(gate, read);
        read->start(read);
    }
    mu_read_settle(read);
}

/* Who is let in may be over at once, and leave: one loop, however many. */
void mu_gate_leave(struct mu_gate *gate, size_t fields) {
    gate->fields -= fields;
    if (gate->opening) {
        return;
    }
    gate->opening = true;
    while (gate->first && has_room(gate, gate->first->fields)) {
        struct mu_read *read = gate->first;
        gate->first = read->next;
        let_in(gate, read);
    }
    gate->opening = false;
}

/* ---- sizes ---- */

/* FNV-1a. */
static size_t bit_of(const char *session) {
    uint32_t hash = 2166136261;
    for (const char *at = session; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * 16777619;
    }
    return (hash ^ hash >> 16) & (MU_GATE_BITS - 1);
}

void mu_gate_remember(struct mu_gate *gate, const char *session, bool large) {
    size_t bit = bit_of(session);
    uint64_t mask = UINT64_C(1) << (bit & 63);
    gate->large[bit / 64] = large ? gate->large[bit / 64] | mask : gate->large[bit / 64] & ~mask;
}

bool mu_gate_remembers(const struct mu_gate *gate, const char *session) {
    size_t bit = bit_of(session);
    return (gate->large[bit / 64] >> (bit & 63) & 1) != 0;
}
