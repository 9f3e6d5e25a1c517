/* session.c - judges one session: its existence, its numbers, its recounts and its leader. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "fsck/view.h"

#define RANK_STEP 4398046511104.0 /* 2^42 */
#define RANK_BASE 1023
#define SAMPLES 3 /* so many of a kind are named, then counted */

#define SLICE(slice) (int)(slice).length, (slice).at != NULL ? (slice).at : ""

struct subject {
    const struct mu_view *view;
    struct mu_look *look;
    char key[MU_KEY_BYTES];
    bool readable; /* every member was read: recounts make sense */
};

static bool may_lead(const struct mu_view_member *member) {
    return member->wrong == NULL && !member->member.away && !member->member.leads_never;
}

/* ---- 2: the key, its place in `sessions`, its members ------------------------------------- */

static void check_absent(struct mu_fsck *fsck, struct subject *s) {
    const struct mu_view *view = s->view;
    const char *id = mu_names_text(&fsck->session_names, view->session);
    char key[MU_KEY_BYTES];
    if (view->listed) {
        mu_look_found(s->look, MU_SESSION_GONE, mu_fsck_key(fsck, key, "sessions"),
                      "lists '%s', which does not exist", id);
    }
    if (view->candidate_count > 0) {
        mu_look_found(
            s->look, MU_CANDIDATES_ORPHAN, mu_fsck_key(fsck, key, "session:%s:candidates", id),
            "holds %zu candidates of a session that does not exist", view->candidate_count);
    }
    if (view->user_count > 0) {
        mu_look_found(s->look, MU_USERS_ORPHAN, mu_fsck_key(fsck, key, "session:%s:users", id),
                      "holds %zu users of a session that does not exist", view->user_count);
    }
    if (view->leaderless) {
        mu_look_found(s->look, MU_LEADERLESS_STALE, mu_fsck_key(fsck, key, "leaderless"),
                      "lists '%s', which does not exist", id);
    }
}

static void check_existence(struct subject *s) {
    const struct mu_view *view = s->view;
    bool kept = view->keep.length > 0 && !mu_slice_is(view->keep, "0");
    if (!view->listed) {
        mu_look_found(s->look, MU_SESSION_UNLISTED, s->key, "exists but is not in sessions");
    }
    if (view->member_count == 0 && !kept) {
        mu_look_found(s->look, MU_SESSION_EMPTY, s->key,
                      "exists without a member and without #keep");
    }
    if (view->unknown.at != NULL) {
        mu_look_found(s->look, MU_FIELD_UNKNOWN, s->key, "has a field '%.*s' that means nothing",
                      SLICE(view->unknown));
    }
}

static void check_members(struct subject *s) {
    size_t wrong = 0;
    for (size_t i = 0; i < s->view->member_count; i++) {
        const struct mu_view_member *member = &s->view->members[i];
        if (member->wrong != NULL && wrong++ < SAMPLES) {
            mu_look_found(s->look, MU_MEMBER_MALFORMED, s->key, "member '%.*s' cannot be read: %s",
                          SLICE(member->field), member->wrong);
        }
    }
    if (wrong > SAMPLES) {
        mu_look_found(s->look, MU_MEMBER_MALFORMED, s->key, "%zu more members cannot be read",
                      wrong - SAMPLES);
    }
    s->readable = wrong == 0;
}

/* ---- 7: numbers --------------------------------------------------------------------------- */

static void check_numbers(struct subject *s) {
    const struct mu_view *view = s->view;
    uint64_t seq = 0;
    uint64_t term = 0;
    bool seq_fine = view->seq.at != NULL && mu_parse_whole(view->seq.at, view->seq.length, &seq);
    bool term_fine =
        view->term.at != NULL && mu_parse_whole(view->term.at, view->term.length, &term);
    if (!seq_fine) {
        mu_look_found(s->look, MU_SEQ_BAD, s->key, "#seq is '%.*s', no whole number below 2^53",
                      SLICE(view->seq));
    }
    if (!term_fine) {
        mu_look_found(s->look, MU_TERM_BAD, s->key, "#term is '%.*s', no whole number below 2^53",
                      SLICE(view->term));
    }
    s->look->stamp = term; /* moves whenever leadership does */
    if (seq_fine && term_fine && term > seq) {
        mu_look_found(s->look, MU_TERM_ABOVE_SEQ, s->key,
                      "#term %" PRIu64 " is above #seq %" PRIu64, term, seq);
    }
    if (view->listed &&
        ((seq_fine && (double)seq < view->opened) || (term_fine && (double)term < view->opened))) {
        mu_look_found(s->look, MU_BELOW_OPENING, s->key,
                      "#seq %" PRIu64 " or #term %" PRIu64 " is below its opening at %.0f", seq,
                      term, view->opened);
    }
    if (view->gen.at == NULL || !mu_id_valid(view->gen.at, view->gen.length)) {
        mu_look_found(s->look, MU_GEN_BAD, s->key, "#gen is '%.*s', no generation",
                      SLICE(view->gen));
    }
}

/* ---- 5: recounts -------------------------------------------------------------------------- */

static int by_slice(const void *a, const void *b) {
    return mu_slice_compare(*(const struct mu_slice *)a, *(const struct mu_slice *)b);
}

static void check_one_count(struct subject *s, enum mu_code code, const char *name,
                            struct mu_slice stored, uint64_t recount) {
    uint64_t number = 0;
    if (stored.at == NULL || !mu_parse_whole(stored.at, stored.length, &number) ||
        number != recount) {
        mu_look_found(s->look, code, s->key, "%s is '%.*s', the recount is %" PRIu64, name,
                      SLICE(stored), recount);
    }
}

/* Against the sorted users of all members. */
static void check_users(struct mu_fsck *fsck, struct subject *s, const struct mu_slice *users,
                        size_t count) {
    const struct mu_view *view = s->view;
    char key[MU_KEY_BYTES];
    size_t stored = 0;
    size_t wrong = 0;
    mu_fsck_key(fsck, key, "session:%s:users", mu_names_text(&fsck->session_names, view->session));
    for (size_t i = 0; i < count || stored < view->user_count;) {
        size_t run = i;
        int order = i >= count ? 1
                    : stored >= view->user_count
                        ? -1
                        : mu_slice_compare(users[i], view->users[stored].user);
        struct mu_slice user = order <= 0 ? users[i] : view->users[stored].user;
        while (order <= 0 && run < count && mu_slice_equal(users[run], users[i])) {
            run++;
        }
        uint64_t there = order >= 0 ? view->users[stored].count : 0;
        if (there != run - i && wrong++ < SAMPLES) {
            mu_look_found(s->look, MU_USERS_WRONG, key,
                          "user '%.*s' has %zu connections here, stored is %s%" PRIu64, SLICE(user),
                          run - i, there == UINT64_MAX ? "no number, not " : "",
                          there == UINT64_MAX ? 0 : there);
        }
        stored += order >= 0;
        i = run;
    }
}

static void check_rank(struct subject *s, const char *key,
                       const struct mu_view_candidate *candidate, const struct mu_member *member) {
    uint64_t seq = 0;
    double step = floor(candidate->rank / RANK_STEP);
    double joined = candidate->rank - step * RANK_STEP;
    bool known =
        s->view->seq.at != NULL && mu_parse_whole(s->view->seq.at, s->view->seq.length, &seq);
    if (candidate->rank != floor(candidate->rank) || step != RANK_BASE - member->priority ||
        joined <= 0 || (known && joined > (double)seq)) {
        mu_look_found(s->look, MU_RANK_WRONG, key,
                      "'%.*s' has rank %.17g: not of priority %d and a seq up to %" PRIu64,
                      SLICE(candidate->name), candidate->rank, member->priority, seq);
    }
}

struct expected {
    struct mu_slice name; /* owned */
    const struct mu_member *member;
};

static int by_expected(const void *a, const void *b) {
    return mu_slice_compare(((const struct expected *)a)->name, ((const struct expected *)b)->name);
}

/* Both sides sorted by "<connection>/<instance>/<incarnation>". */
static void compare_candidates(struct subject *s, const char *key, const struct expected *expected,
                               size_t count) {
    const struct mu_view *view = s->view;
    size_t missing = 0;
    size_t stray = 0;
    for (size_t i = 0, j = 0; i < count || j < view->candidate_count;) {
        int order = i >= count ? 1
                    : j >= view->candidate_count
                        ? -1
                        : mu_slice_compare(expected[i].name, view->candidates[j].name);
        if (order < 0 && missing++ < SAMPLES) {
            mu_look_found(s->look, MU_CANDIDATE_MISSING, key, "lacks '%.*s', who may lead",
                          SLICE(expected[i].name));
        } else if (order > 0 && stray++ < SAMPLES) {
            mu_look_found(s->look, MU_CANDIDATE_STRAY, key,
                          "holds '%.*s', which is no member that may lead",
                          SLICE(view->candidates[j].name));
        } else if (order == 0) {
            check_rank(s, key, &view->candidates[j], expected[i].member);
        }
        i += order <= 0;
        j += order >= 0;
    }
}

static void check_candidates(struct mu_fsck *fsck, struct subject *s) {
    const struct mu_view *view = s->view;
    struct expected *expected = mu_calloc(view->member_count + 1, sizeof *expected);
    char key[MU_KEY_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < view->member_count; i++) {
        const struct mu_member *member = &view->members[i].member;
        if (may_lead(&view->members[i])) {
            char *name = NULL;
            int length = asprintf(&name, "%.*s/%.*s/%.*s", SLICE(member->connection),
                                  SLICE(member->instance), SLICE(member->incarnation));
            if (length < 0) {
                abort();
            }
            expected[count].name = (struct mu_slice){name, (size_t)length};
            expected[count++].member = member;
        }
    }
    qsort(expected, count, sizeof *expected, by_expected);
    mu_fsck_key(fsck, key, "session:%s:candidates",
                mu_names_text(&fsck->session_names, view->session));
    compare_candidates(s, key, expected, count);
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)expected[i].name.at);
    }
    free(expected);
}

static void check_recounts(struct mu_fsck *fsck, struct subject *s) {
    const struct mu_view *view = s->view;
    check_one_count(s, MU_COUNT_WRONG, "#count", view->count, view->member_count);
    if (!s->readable) {
        return; /* said already; the rest would only repeat it */
    }
    struct mu_slice *users = mu_calloc(view->member_count + 1, sizeof *users);
    size_t count = 0;
    for (size_t i = 0; i < view->member_count; i++) {
        if (view->members[i].member.user.length > 0) {
            users[count++] = view->members[i].member.user;
        }
    }
    qsort(users, count, sizeof *users, by_slice);
    check_one_count(s, MU_ANONYMOUS_WRONG, "#anonymous", view->anonymous,
                    view->member_count - count);
    check_users(fsck, s, users, count);
    free(users);
    check_candidates(fsck, s);
}

/* ---- 1 and 6: the leader ------------------------------------------------------------------ */

/* What is known of an owner: by this view, or by the survey. False: not known in this moment. */
static bool facts_of(const struct mu_fsck *fsck, const struct mu_view *view, bool settled,
                     uint32_t owner, struct mu_view_owner *facts) {
    const struct mu_view_owner *seen = mu_view_owner(view, owner);
    if (seen != NULL) {
        *facts = *seen;
        return true;
    }
    const struct mu_owner *known = &fsck->owners[owner];
    *facts = (struct mu_view_owner){
        .owner = owner, .live = known->live, .eligible = known->eligible, .ghost = known->ghost};
    return !settled;
}

static void check_led(struct mu_fsck *fsck, struct subject *s, bool settled) {
    const struct mu_view *view = s->view;
    const struct mu_view_member *leader = mu_view_member(view, view->leader);
    struct mu_view_owner facts;
    if (view->leaderless) {
        mu_look_found(s->look, MU_LEADERLESS_STALE, s->key, "is in leaderless though '%.*s' leads",
                      SLICE(view->leader));
    }
    if (leader == NULL) {
        mu_look_found(s->look, MU_LEADER_NO_MEMBER, s->key, "is led by '%.*s', who is no member",
                      SLICE(view->leader));
        return;
    }
    if (leader->wrong != NULL) {
        return;
    }
    if (!may_lead(leader)) {
        mu_look_found(s->look, MU_LEADER_NO_CANDIDATE, s->key, "is led by '%.*s', who %s",
                      SLICE(view->leader), leader->member.away ? "is away" : "never leads");
        return;
    }
    if (!facts_of(fsck, view, settled, leader->owner, &facts)) {
        s->look->moved = true;
        return;
    }
    const char *owner = mu_names_text(&fsck->owner_names, leader->owner);
    bool in_leads = (facts.live && facts.leads_live) || (facts.ghost && facts.leads_ghost);
    if (!facts.eligible && (in_leads || !settled)) {
        mu_look_found(s->look, MU_LEADER_WAITS, s->key,
                      "is led by '%.*s' of %s, which is %s, and nobody moves it",
                      SLICE(view->leader), owner, facts.live ? "suspect or draining" : "a ghost");
    }
    if (!facts.eligible && (!in_leads || !settled)) {
        mu_look_found(s->look, MU_LEADER_NOT_ELIGIBLE, s->key,
                      "is led by '%.*s' of %s, which is %s, and is in no leads from which it would "
                      "be moved",
                      SLICE(view->leader), owner,
                      facts.live    ? "suspect or draining"
                      : facts.ghost ? "a ghost"
                                    : "gone");
    }
    if (settled && !in_leads && (facts.live || facts.ghost)) {
        char key[MU_KEY_BYTES];
        mu_fsck_key(fsck, key, facts.live ? "instance:%s:leads" : "ghosts:%s:leads",
                    facts.live
                        ? mu_names_text(&fsck->instance_names, fsck->owners[leader->owner].instance)
                        : owner);
        mu_look_found(s->look, MU_LEADS_LACKS, key, "lacks session '%s', which '%.*s' leads",
                      mu_names_text(&fsck->session_names, view->session), SLICE(view->leader));
    }
}

static void check_unled(struct mu_fsck *fsck, struct subject *s, bool settled) {
    const struct mu_view *view = s->view;
    const struct mu_view_member *eligible = NULL;
    bool candidates = false;
    for (size_t i = 0; i < view->member_count && eligible == NULL; i++) {
        struct mu_view_owner facts;
        if (!may_lead(&view->members[i])) {
            continue;
        }
        candidates = true;
        if (!facts_of(fsck, view, settled, view->members[i].owner, &facts)) {
            /* More owners than are asked for in one look: those that are known must do. */
            s->look->moved = view->owner_count < MU_VIEW_OWNERS;
        } else if (facts.eligible) {
            eligible = &view->members[i];
        }
    }
    if (!candidates) {
        if (view->leaderless) {
            mu_look_found(s->look, MU_LEADERLESS_STALE, s->key,
                          "is in leaderless without a member that may lead");
        }
    } else if (!view->leaderless) {
        mu_look_found(s->look, MU_NO_LEADER_UNLISTED, s->key,
                      "has candidates%s%.*s, no leader, and is not in leaderless",
                      eligible != NULL ? ", among them the eligible " : "",
                      eligible != NULL ? (int)eligible->field.length : 0,
                      eligible != NULL ? eligible->field.at : "");
    } else if (eligible != NULL) {
        mu_look_found(s->look, MU_LEADERLESS_WAITS, s->key,
                      "has no leader though '%.*s' is eligible, and nobody elects",
                      SLICE(eligible->field));
    }
}

/* The leads of the owners that were asked about because they name this session. */
static void check_strays(struct mu_fsck *fsck, struct subject *s) {
    const struct mu_view *view = s->view;
    const struct mu_view_member *leader =
        view->leader.length > 0 ? mu_view_member(view, view->leader) : NULL;
    uint32_t leading = leader != NULL ? leader->owner : MU_NAME_NONE;
    if (leader != NULL && leader->wrong != NULL) {
        return; /* whose leads these should be cannot be known */
    }
    const char *id = mu_names_text(&fsck->session_names, view->session);
    for (size_t i = 0; i < view->owner_count; i++) {
        const struct mu_view_owner *facts = &view->owners[i];
        char key[MU_KEY_BYTES];
        if (facts->owner == leading) {
            continue;
        }
        /* Leads belong to whoever is registered now, whatever the leader before was. */
        const struct mu_owner *owner = &fsck->owners[facts->owner];
        if (facts->leads_live && facts->live) {
            mu_fsck_key(fsck, key, "instance:%s:leads",
                        mu_names_text(&fsck->instance_names, owner->instance));
            mu_look_found(s->look, MU_LEADS_STRAY, key,
                          "lists session '%s', which no connection of it leads", id);
        }
        if (facts->leads_ghost) {
            mu_fsck_key(fsck, key, "ghosts:%s:leads",
                        mu_names_text(&fsck->owner_names, facts->owner));
            mu_look_found(s->look, MU_LEADS_STRAY, key,
                          "lists session '%s', which no connection of it leads", id);
        }
    }
}

void mu_check_session(struct mu_fsck *fsck, const struct mu_view *view, bool settled,
                      struct mu_look *look) {
    struct subject s = {.view = view, .look = look};
    if (view->broken) {
        return; /* its type is a finding of its own */
    }
    mu_fsck_key(fsck, s.key, "session:%s", mu_names_text(&fsck->session_names, view->session));
    if (!view->exists) {
        check_absent(fsck, &s);
        check_strays(fsck, &s);
        return;
    }
    check_existence(&s);
    check_members(&s);
    check_numbers(&s);
    check_recounts(fsck, &s);
    if (view->leader.length > 0) {
        check_led(fsck, &s, settled);
    } else {
        check_unled(fsck, &s, settled);
    }
    check_strays(fsck, &s);
}
