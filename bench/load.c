#include "load.h"

#include <string.h>

#include "process.h"

/* Numbers as long as real ones: milliseconds, terms, ranks. */
#define SEQ 1732000000000ULL
#define RANK_BASE 4499201580859392ULL /* 1023 * 2^42: priority 0 */
#define GENERATION "9f3c21d07be84a65"

void mb_instance_name(size_t number, char name[MB_NAME]) {
    mb_text(name, MB_NAME, "node-%zu", number + 1);
}

void mb_load_names(const struct mb_load *load, size_t index, struct mb_names *names) {
    names->position = index / load->sessions;
    mb_text(names->connection, sizeof names->connection, "conn-%06zu", index);
    mb_text(names->session, sizeof names->session, "room-%05zu", index % load->sessions);
    mb_instance_name((index + names->position) % load->instances, names->instance);
    mb_text(names->profile, sizeof names->profile,
            "{\"name\":\"Ada Lovelace %06zu\",\"color\":\"#3a7bd5\",\"x\":17}", index);
}

void mb_enter(struct mb_pipe *pipe, size_t index, void *load) {
    struct mb_names names;
    mb_load_names(load, index, &names);
    MB_APPEND(pipe, "FCALL", "muster_enter", "1", MB_KEY, names.session, names.connection,
              names.instance, MB_INCARNATION, "", names.profile);
}

/* ---- the bare commands --------------------------------------------------------------------- */

struct bare {
    struct mb_names names;
    char session[MB_LONG];
    char candidates[MB_LONG];
    char events[MB_LONG];
    char leads[MB_LONG];
    char records[MB_LONG];
    char candidate[MB_LONG];
    char seq[MB_NAME];
    char count[MB_NAME];
    char leader[MB_NAME];
    char instance[MB_LONG];
    char record[MB_LONG];
    char member[MB_LONG];
    char term[MB_NAME];
    char now[MB_NAME];
    char rank[MB_NAME];
    char joined[2 * MB_LONG];
    char led[2 * MB_LONG]; /* of who opens the session */
};

static void prepare(struct bare *bare, const struct mb_load *load, size_t index) {
    struct mb_names *names = &bare->names;
    struct mb_names first;
    mb_load_names(load, index, names);
    mb_load_names(load, index % load->sessions, &first);
    mb_text(bare->session, MB_LONG, MB_NS "session:%s", names->session);
    mb_text(bare->candidates, MB_LONG, MB_NS "session:%s:candidates", names->session);
    mb_text(bare->events, MB_LONG, MB_NS "events:session:%s", names->session);
    mb_text(bare->leads, MB_LONG, MB_NS "instance:%s:leads", first.instance);
    mb_text(bare->records, MB_LONG, MB_NS "instance:%s:connections", names->instance);
    mb_text(bare->candidate, MB_LONG, "%s/%s/" MB_INCARNATION, names->connection, names->instance);
    mb_text(bare->seq, MB_NAME, "%llu", SEQ + names->position + 1);
    mb_text(bare->count, MB_NAME, "%zu", names->position + 1);
    memcpy(bare->leader, first.connection, MB_NAME);
}

static void event(char text[2 * MB_LONG], const struct bare *bare, const char *name,
                  const char *rest) {
    mb_text(text, (size_t)2 * MB_LONG,
            "{\"event\":\"%s\",\"session\":\"%s\",\"gen\":\"" GENERATION
            "\",\"seq\":%s,\"term\":%llu,\"at\":%llu,%s}",
            name, bare->names.session, bare->seq, SEQ + 1, SEQ, rest);
}

static void prepare_enter(struct bare *bare, const struct mb_load *load, size_t index) {
    prepare(bare, load, index);
    const struct mb_names *names = &bare->names;
    char rest[MB_LONG + MB_NAME];
    mb_text(bare->instance, MB_LONG, MB_NS "instance:%s", names->instance);
    mb_text(bare->record, MB_LONG, "%llu//////%s/%s", SEQ, names->session, names->profile);
    mb_text(bare->member, MB_LONG,
            "{\"connection\":\"%s\",\"instance\":\"%s\",\"incarnation\":\"" MB_INCARNATION
            "\",\"joined_at\":%llu,\"profile\":%s}",
            names->connection, names->instance, SEQ, names->profile);
    mb_text(bare->term, MB_NAME, "%llu", SEQ + 1);
    mb_text(bare->now, MB_NAME, "%llu", SEQ);
    mb_text(bare->rank, MB_NAME, "%llu", RANK_BASE + SEQ + names->position);
    mb_text(rest, sizeof rest, "\"count\":%s,\"member\":%s", bare->count, bare->member);
    event(bare->joined, bare, "member.joined", rest);
    mb_text(rest, sizeof rest, "\"leader\":\"%s\",\"previous\":null,\"reason\":\"first\"",
            names->connection);
    event(bare->led, bare, "leader.changed", rest);
}

static void append_writes(struct mb_pipe *pipe, const struct bare *bare) {
    const struct mb_names *names = &bare->names;
    MB_APPEND(pipe, "HSET", bare->records, names->connection, bare->record);
    MB_APPEND(pipe, "HSET", bare->session, "#seq", bare->seq, "#leader", bare->leader, "#term",
              bare->term, "#count", bare->count, "#anonymous", bare->count, "#gen", GENERATION,
              names->connection, bare->member);
    MB_APPEND(pipe, "ZADD", bare->candidates, bare->rank, bare->candidate);
    MB_APPEND(pipe, "PUBLISH", bare->events, bare->joined);
    if (names->position > 0)
        return;
    MB_APPEND(pipe, "ZADD", MB_NS "sessions", bare->now, names->session);
    MB_APPEND(pipe, "SADD", bare->leads, names->session);
    MB_APPEND(pipe, "PUBLISH", bare->events, bare->led);
}

void mb_bare_enter(struct mb_pipe *pipe, size_t index, void *load) {
    struct bare bare;
    prepare_enter(&bare, load, index);
    append_writes(pipe, &bare);
}

void mb_bare_read_enter(struct mb_pipe *pipe, size_t index, void *load) {
    struct bare bare;
    prepare_enter(&bare, load, index);
    MB_APPEND(pipe, "HMGET", bare.instance, "incarnation", "state", "draining");
    MB_APPEND(pipe, "HGET", bare.records, bare.names.connection);
    MB_APPEND(pipe, "HMGET", bare.session, "#seq", "#leader", "#term", "#count", "#anonymous",
              "#gen", "#limit", "#keep", bare.names.connection);
    append_writes(pipe, &bare);
}

/* ---- the same from inside of a function ------------------------------------------------------ */

static const char least_library[] = "#!lua name=least\n"
                                    "redis.register_function('least_enter', function(keys, a)\n"
                                    "local call = redis.call\n"
                                    "call('HMGET', a[1], 'incarnation', 'state', 'draining')\n"
                                    "call('HGET', a[2], a[3])\n"
                                    "call('HMGET', a[4], '#seq', '#leader', '#term', '#count', "
                                    "'#anonymous', '#gen', '#limit', '#keep', a[3])\n"
                                    "call('HSET', a[2], a[3], a[5])\n"
                                    "call('HSET', a[4], '#seq', a[6], '#leader', a[7], '#term', "
                                    "a[8], '#count', a[9], '#anonymous', a[9],\n"
                                    "'#gen', a[10], a[3], a[11])\n"
                                    "call('ZADD', a[12], a[13], a[14])\n"
                                    "call('PUBLISH', a[15], a[16])\n"
                                    "if a[17] then\n"
                                    "call('ZADD', a[17], a[18], a[19])\n"
                                    "call('SADD', a[20], a[19])\n"
                                    "call('PUBLISH', a[15], a[21])\n"
                                    "end\n"
                                    "return 'OK'\n"
                                    "end)\n";

void mb_least_load(struct mb_pipe *pipe) {
    MB_DO(pipe, "FUNCTION", "LOAD", "REPLACE", least_library);
}

#define LEAST(bare)                                                                                \
    "FCALL", "least_enter", "1", MB_KEY, (bare)->instance, (bare)->records,                        \
        (bare)->names.connection, (bare)->session, (bare)->record, (bare)->seq, (bare)->leader,    \
        (bare)->term, (bare)->count, GENERATION, (bare)->member, (bare)->candidates, (bare)->rank, \
        (bare)->candidate, (bare)->events, (bare)->joined

void mb_least_enter(struct mb_pipe *pipe, size_t index, void *load) {
    struct bare bare;
    prepare_enter(&bare, load, index);
    if (bare.names.position > 0)
        MB_APPEND(pipe, LEAST(&bare));
    else
        MB_APPEND(pipe, LEAST(&bare), MB_NS "sessions", bare.now, bare.names.session, bare.leads,
                  bare.led);
}

void mb_bare_remove(struct mb_pipe *pipe, size_t index, void *context) {
    const struct mb_load *load = context;
    struct bare bare;
    prepare(&bare, load, index);
    char rest[MB_LONG];
    char published[2 * MB_LONG];
    char term[MB_NAME];

    mb_text(term, sizeof term, "%llu", SEQ + 1);
    mb_text(rest, sizeof rest,
            "\"count\":%s,\"connection\":\"%s\",\"instance\":\"%s\",\"reason\":\"instance-dead\"",
            bare.count, bare.names.connection, bare.names.instance);
    MB_APPEND(pipe, "HDEL", bare.records, bare.names.connection);
    MB_APPEND(pipe, "HDEL", bare.session, bare.names.connection);
    MB_APPEND(pipe, "ZREM", bare.candidates, bare.candidate);
    event(published, &bare, "member.left", rest);
    MB_APPEND(pipe, "PUBLISH", bare.events, published);
    if (index + load->sessions < load->connections) {
        MB_APPEND(pipe, "HSET", bare.session, "#seq", bare.seq, "#leader", "", "#term", term,
                  "#count", bare.count, "#anonymous", bare.count, "#gen", GENERATION);
        return;
    }
    MB_APPEND(pipe, "DEL", bare.session, bare.candidates);
    MB_APPEND(pipe, "ZREM", MB_NS "sessions", bare.names.session);
    MB_APPEND(pipe, "SREM", bare.leads, bare.names.session);
}
