/* stream.c - the events of all sessions for a while: seq without gaps, terms that only grow.
 *
 * Only what this program heard itself counts: each session begins with its first event, and begins
 * anew after a loss of the connection, when events may have been missed.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "feed.h"
#include "fsck/fsck.h"

struct heard {
    char *session;
    char *gen;
    int64_t seq;
    int64_t term;
    bool closed;
    bool certain; /* false: the next event is a beginning */
    UT_hash_handle hh;
};

struct stream {
    struct mu_fsck *fsck;
    struct heard *sessions;
};

static struct heard *find(struct stream *stream, const char *session) {
    struct heard *heard = NULL;
    HASH_FIND_STR(stream->sessions, session, heard);
    if (heard == NULL) {
        heard = mu_calloc(1, sizeof *heard);
        heard->session = mu_strdup(session);
        heard->gen = mu_strdup("");
        HASH_ADD_KEYPTR(hh, stream->sessions, heard->session, strlen(session), heard);
    }
    return heard;
}

/* Judged against what was heard before of the same session. */
static void judge(struct stream *stream, const struct heard *heard, const char *channel,
                  const char *event, int64_t seq, int64_t term, const char *gen,
                  const char *leader) {
    struct mu_fsck *fsck = stream->fsck;
    bool opening = heard->closed;
    bool same_gen = strcmp(heard->gen, gen) == 0;
    bool change = strcmp(event, "leader.changed") == 0;
    if (opening || !same_gen) {
        if (seq <= heard->seq) {
            mu_fsck_add(fsck, "EVENT_GAP", channel,
                        "%s of a new opening or generation has seq %" PRId64
                        ", not above the last one, %" PRId64,
                        event, seq, heard->seq);
        }
    } else if (seq != heard->seq + 1) {
        mu_fsck_add(fsck, "EVENT_GAP", channel, "%s has seq %" PRId64 " after %" PRId64, event, seq,
                    heard->seq);
    }
    if (term < heard->term) {
        mu_fsck_add(fsck, "EVENT_TERM", channel, "%s has term %" PRId64 " after %" PRId64, event,
                    term, heard->term);
    } else if (change && term == heard->term) {
        mu_fsck_add(fsck, "EVENT_TERM", channel,
                    "the leader became '%s', and the term stayed %" PRId64, leader, term);
    } else if (!change && same_gen && !opening && term != heard->term) {
        mu_fsck_add(fsck, "EVENT_TERM", channel,
                    "%s has term %" PRId64 ", and it was %" PRId64 " without a change of leader",
                    event, term, heard->term);
    }
}

/* A profile may hold what this parser cannot take; that is no fault of the event. */
static bool beyond_us(const json_error_t *error) {
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key;
}

static void take(struct stream *stream, const struct mu_feed_item *item) {
    struct mu_fsck *fsck = stream->fsck;
    json_error_t error;
    json_t *json = json_loadb(item->payload, item->length, JSON_ALLOW_NUL, &error);
    const char *event = json_string_value(json_object_get(json, "event"));
    const char *session = json_string_value(json_object_get(json, "session"));
    const char *gen = json_string_value(json_object_get(json, "gen"));
    const char *leader = json_string_value(json_object_get(json, "leader"));
    int64_t seq = json_integer_value(json_object_get(json, "seq"));
    int64_t term = json_integer_value(json_object_get(json, "term"));
    const char *named = strstr(item->channel, ":events:session:");

    fsck->checked[7]++;
    if (json == NULL || event == NULL || session == NULL || gen == NULL || seq <= 0 || term <= 0 ||
        named == NULL || strcmp(named + strlen(":events:session:"), session) != 0) {
        if (json != NULL || !beyond_us(&error)) {
            mu_fsck_add(fsck, "EVENT_BAD", item->channel, "carried something that is no event");
        }
        if (named != NULL) {
            find(stream, named + strlen(":events:session:"))->certain = false;
        }
        json_decref(json);
        return;
    }
    struct heard *heard = find(stream, session);
    if (heard->certain) {
        judge(stream, heard, item->channel, event, seq, term, gen, leader != NULL ? leader : "");
    }
    heard->certain = true;
    heard->seq = seq;
    heard->term = term;
    heard->closed = json_is_true(json_object_get(json, "closed"));
    if (strcmp(heard->gen, gen) != 0) {
        free(heard->gen);
        heard->gen = mu_strdup(gen);
    }
    json_decref(json);
}

void mu_fsck_stream(struct mu_fsck *fsck, uint64_t for_ms) {
    struct stream stream = {.fsck = fsck};
    struct mu_feed *feed = mu_feed_create(fsck->ctl, true);
    uint64_t end = mu_clock_boottime_ms() + for_ms;
    struct mu_feed_item item;
    struct heard *heard = NULL;
    struct heard *next = NULL;
    char pattern[MU_KEY_BYTES];

    mu_feed_add(feed, mu_fsck_key(fsck, pattern, "events:session:*"));
    do {
        mu_feed_next(feed, end, &item);
        if (item.kind == MU_FEED_MESSAGE) {
            take(&stream, &item);
        } else if (item.kind == MU_FEED_UP) {
            fprintf(stderr, "musterctl: listening to the events of namespace %s\n",
                    fsck->ctl->name_space);
        } else if (item.kind == MU_FEED_LOST) {
            fprintf(stderr, "musterctl: lost Redis at %s: %s; connecting again\n", fsck->ctl->where,
                    item.why);
            HASH_ITER(hh, stream.sessions, heard, next) {
                heard->certain = false;
            }
        }
    } while (item.kind != MU_FEED_QUIET);
    mu_feed_destroy(&feed);
    HASH_ITER(hh, stream.sessions, heard, next) {
        HASH_DEL(stream.sessions, heard);
        free(heard->session);
        free(heard->gen);
        free(heard);
    }
}
