/* looks.c - suspects are looked at again until they are cleared or are findings. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "fsck/view.h"

#define CHUNK 128
#define BETWEEN_MS 200
#define TRIES 4 /* of a session that changes under the look */
#define PATIENCE_MS 15000

static int by_unit(const void *a, const void *b) {
    const struct mu_unit *left = &((const struct mu_suspect *)a)->unit;
    const struct mu_unit *right = &((const struct mu_suspect *)b)->unit;
    const uint32_t keys[2][4] = {{(uint32_t)left->kind, left->a, left->b, left->c},
                                 {(uint32_t)right->kind, right->a, right->b, right->c}};
    for (size_t i = 0; i < 4; i++) {
        if (keys[0][i] != keys[1][i]) {
            return keys[0][i] < keys[1][i] ? -1 : 1;
        }
    }
    return 0;
}

/* The survey may suspect one object from several sides. */
static void merge(struct mu_fsck *fsck) {
    size_t kept = 0;
    if (fsck->suspect_count == 0) {
        return;
    }
    qsort(fsck->suspects, fsck->suspect_count, sizeof *fsck->suspects, by_unit);
    for (size_t i = 1; i < fsck->suspect_count; i++) {
        if (by_unit(&fsck->suspects[kept], &fsck->suspects[i]) == 0) {
            fsck->suspects[kept].codes |= fsck->suspects[i].codes;
            if (fsck->suspects[i].stamp != 0) {
                fsck->suspects[kept].stamp = fsck->suspects[i].stamp;
            }
        } else {
            fsck->suspects[++kept] = fsck->suspects[i];
        }
    }
    fsck->suspect_count = kept + 1;
}

/* ---- sessions: first who is concerned, then all of it in one moment ------------------------ */

struct concerned {
    uint32_t owners[MU_VIEW_OWNERS];
    size_t count;
};

static void find_concerned(struct mu_fsck *fsck, struct mu_unit unit, struct concerned *who) {
    struct mu_view view;
    bool named = unit.b == MU_NAME_NONE;
    who->count = 0;
    if (mu_view_receive(fsck, unit.a, NULL, 0, &view)) {
        who->count = mu_view_relevant(&view, who->owners, MU_VIEW_OWNERS - 1);
    }
    for (size_t i = 0; i < who->count; i++) {
        named = named || who->owners[i] == unit.b;
    }
    if (!named) {
        who->owners[who->count++] = unit.b;
    }
    mu_view_deinit(&view);
}

static void judge_session(struct mu_fsck *fsck, struct mu_unit unit, const struct concerned *who,
                          struct mu_look *look) {
    struct mu_view view;
    if (mu_view_receive(fsck, unit.a, who->owners, who->count, &view)) {
        mu_check_session(fsck, &view, true, look);
    }
    mu_view_deinit(&view);
}

static void look_at_sessions(struct mu_fsck *fsck, const struct mu_suspect *suspects, size_t count,
                             struct mu_look *looks) {
    struct concerned *who = mu_calloc(count, sizeof *who);
    for (size_t i = 0; i < count; i++) {
        mu_view_send(fsck, suspects[i].unit.a, NULL, 0);
    }
    for (size_t i = 0; i < count; i++) {
        find_concerned(fsck, suspects[i].unit, &who[i]);
    }
    for (size_t i = 0; i < count; i++) {
        mu_view_send(fsck, suspects[i].unit.a, who[i].owners, who[i].count);
    }
    for (size_t i = 0; i < count; i++) {
        judge_session(fsck, suspects[i].unit, &who[i], &looks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        for (int tries = 1; looks[i].moved && tries < TRIES && !fsck->ctl->lost; tries++) {
            mu_look_deinit(&looks[i]);
            looks[i].moved = false;
            looks[i].codes = 0;
            mu_view_send(fsck, suspects[i].unit.a, NULL, 0);
            find_concerned(fsck, suspects[i].unit, &who[i]);
            mu_view_send(fsck, suspects[i].unit.a, who[i].owners, who[i].count);
            judge_session(fsck, suspects[i].unit, &who[i], &looks[i]);
        }
    }
    free(who);
}

/* ---- all kinds ----------------------------------------------------------------------------- */

static void look_at_pairs(struct mu_fsck *fsck, const struct mu_suspect *suspects, size_t count,
                          struct mu_look *looks) {
    for (size_t i = 0; i < count; i++) {
        mu_pair_send(fsck, suspects[i].unit);
    }
    for (size_t i = 0; i < count; i++) {
        mu_pair_receive(fsck, suspects[i].unit, &looks[i]);
    }
}

static void look_at_one(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    switch (unit.kind) {
    case MU_UNIT_GLOBAL:
        mu_check_global(fsck, look);
        break;
    case MU_UNIT_KEY:
        mu_check_key(fsck, unit, look);
        break;
    case MU_UNIT_ENTRY:
        mu_check_entry(fsck, unit, look);
        break;
    case MU_UNIT_INSTANCE:
        mu_check_instance(fsck, unit, look);
        break;
    case MU_UNIT_GHOST:
        mu_check_ghost(fsck, unit, look);
        break;
    case MU_UNIT_RECORD:
        mu_check_record(fsck, unit, look);
        break;
    case MU_UNIT_SESSION:
    case MU_UNIT_PAIR:
        break;
    }
}

/* Suspects of one kind, sorted; a handful at a time. Returns how many were looked at. */
static size_t look_at_some(struct mu_fsck *fsck, const struct mu_suspect *suspects, size_t left,
                           struct mu_look *looks) {
    enum mu_unit_kind kind = suspects[0].unit.kind;
    size_t count = 1;
    while (count < left && count < CHUNK && suspects[count].unit.kind == kind) {
        count++;
    }
    if (kind == MU_UNIT_SESSION) {
        look_at_sessions(fsck, suspects, count, looks);
    } else if (kind == MU_UNIT_PAIR) {
        look_at_pairs(fsck, suspects, count, looks);
    } else {
        for (size_t i = 0; i < count; i++) {
            look_at_one(fsck, suspects[i].unit, &looks[i]);
        }
    }
    return count;
}

/* What is still so of what was so before. */
static uint64_t still_so(const struct mu_suspect *suspect, const struct mu_look *look) {
    uint64_t codes = suspect->codes & look->codes;
    return look->stamp == suspect->stamp ? codes : codes & ~mu_codes_waiting();
}

static void add_findings(struct mu_fsck *fsck, uint64_t codes, const struct mu_look *look) {
    for (size_t i = 0; i < look->count; i++) {
        if ((codes & MU_BIT(look->findings[i].code)) != 0) {
            mu_fsck_add(fsck, look->findings[i].code, look->findings[i].key, "%s",
                        look->findings[i].what);
        }
    }
}

/* One more look at all suspects. Those of `keep` that are still so become findings; the others
 * that are still so stay suspects. With `keep` 0 nothing becomes a finding. */
static void look_again(struct mu_fsck *fsck, uint64_t keep) {
    struct mu_look looks[CHUNK];
    size_t stay = 0;
    fsck->now = mu_ask_now(fsck->ctl);
    for (size_t at = 0; at < fsck->suspect_count && !fsck->ctl->lost;) {
        memset(looks, 0, sizeof looks);
        for (size_t i = 0; i < CHUNK; i++) {
            looks[i].verbose = keep != 0;
            looks[i].keep = keep;
        }
        size_t count = look_at_some(fsck, &fsck->suspects[at], fsck->suspect_count - at, looks);
        for (size_t i = 0; i < count; i++) {
            struct mu_suspect suspect = fsck->suspects[at + i];
            bool session = suspect.unit.kind == MU_UNIT_SESSION;
            /* A suspicion from another side than the session's own brings no stamp. */
            if (session && suspect.stamp == 0) {
                suspect.stamp = looks[i].stamp;
            }
            suspect.codes = still_so(&suspect, &looks[i]);
            add_findings(fsck, suspect.codes, &looks[i]);
            suspect.codes &= ~keep;
            if (suspect.codes != 0) {
                fsck->suspects[stay++] = suspect;
            }
            mu_look_deinit(&looks[i]);
        }
        at += count;
    }
    fsck->suspect_count = stay;
}

static void nap(uint64_t ms) {
    poll(NULL, 0, (int)ms);
}

void mu_fsck_looks(struct mu_fsck *fsck) {
    uint64_t waiting = mu_codes_waiting();
    uint64_t patience = fsck->ctl->options->patience_ms == UINT64_MAX
                            ? PATIENCE_MS
                            : fsck->ctl->options->patience_ms;
    uint64_t end = mu_clock_boottime_ms() + patience;
    merge(fsck);
    if (fsck->suspect_count > 0) {
        nap(BETWEEN_MS);
        look_again(fsck, 0);
    }
    if (fsck->suspect_count > 0) {
        nap(BETWEEN_MS);
        look_again(fsck, ~waiting);
    }
    while (fsck->suspect_count > 0 && !fsck->ctl->lost) {
        bool last = mu_clock_boottime_ms() >= end;
        nap(BETWEEN_MS);
        look_again(fsck, last ? waiting : 0);
        if (last) {
            break;
        }
    }
}
