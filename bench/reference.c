#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include "process.h"

#define CONNECTED_AT "1732000000000"

static const char register_script[] =
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end "
    "redis.call('HSET', KEYS[1], 'id', ARGV[1], 'instanceId', ARGV[2], 'connectedAt', ARGV[3], "
    "'metadata', ARGV[4]) "
    "redis.call('SADD', KEYS[2], ARGV[1]) "
    "return 1";

static const char join_script[] =
    "if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('UNKNOWN') end "
    "redis.call('HSET', KEYS[1], 'sessionId', ARGV[2]) "
    "redis.call('SADD', KEYS[2], ARGV[1]) "
    "redis.call('SET', KEYS[3], ARGV[1], 'NX') "
    "return {redis.call('GET', KEYS[3]), redis.call('SCARD', KEYS[2])}";

static const char leave_script[] = "redis.call('HDEL', KEYS[1], 'sessionId') "
                                   "redis.call('SREM', KEYS[2], ARGV[1]) "
                                   "if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end "
                                   "local members = redis.call('SMEMBERS', KEYS[2]) "
                                   "if #members == 0 then redis.call('DEL', KEYS[3]) return 0 end "
                                   "redis.call('SET', KEYS[3], members[1]) "
                                   "return members[1]";

struct keys {
    struct mb_names names;
    char connection[MB_LONG];
    char instance[MB_LONG];
    char members[MB_LONG];
    char leader[MB_LONG];
};

static void name_connection(const char *connection, char key[MB_LONG]) {
    mb_text(key, MB_LONG, MB_NS "connection:%s", connection);
}

static void name_session(const char *session, char members[MB_LONG], char leader[MB_LONG]) {
    mb_text(members, MB_LONG, MB_NS "session:%s:members", session);
    mb_text(leader, MB_LONG, MB_NS "session:%s:leader", session);
}

static void prepare(struct keys *keys, const struct mb_load *load, size_t index) {
    mb_load_names(load, index, &keys->names);
    name_connection(keys->names.connection, keys->connection);
    name_session(keys->names.session, keys->members, keys->leader);
    mb_text(keys->instance, MB_LONG, MB_NS "instance:%s:connections", keys->names.instance);
}

static void load_script(struct mb_pipe *pipe, const char *text, char sha[64]) {
    redisReply *reply = MB_CALL(pipe, "SCRIPT", "LOAD", text);
    if (reply->type != REDIS_REPLY_STRING)
        mb_fail("SCRIPT LOAD did not answer with a digest");
    mb_text(sha, 64, "%s", reply->str);
    freeReplyObject(reply);
}

void mb_reference_init(struct mb_reference *reference, const struct mb_load *load,
                       struct mb_pipe *pipe) {
    reference->load = *load;
    load_script(pipe, register_script, reference->register_sha);
    load_script(pipe, join_script, reference->join_sha);
    load_script(pipe, leave_script, reference->leave_sha);
}

static void join(struct mb_pipe *pipe, const struct mb_reference *reference,
                 const struct keys *keys) {
    MB_APPEND(pipe, "EVALSHA", reference->join_sha, "3", keys->connection, keys->members,
              keys->leader, keys->names.connection, keys->names.session);
}

void mb_reference_enter(struct mb_pipe *pipe, size_t index, void *context) {
    const struct mb_reference *reference = context;
    struct keys keys;
    prepare(&keys, &reference->load, index);
    MB_APPEND(pipe, "EVALSHA", reference->register_sha, "2", keys.connection, keys.instance,
              keys.names.connection, keys.names.instance, CONNECTED_AT, keys.names.profile);
    join(pipe, reference, &keys);
}

void mb_reference_ismember(struct mb_pipe *pipe, size_t index, void *context) {
    const struct mb_reference *reference = context;
    struct keys keys;
    prepare(&keys, &reference->load, index % reference->load.connections);
    MB_APPEND(pipe, "SISMEMBER", keys.members, keys.names.connection);
}

/* ---- a leader leaves ------------------------------------------------------------------------ */

double mb_reference_leave(struct mb_pipe *pipe, const struct mb_reference *reference) {
    struct keys keys;
    prepare(&keys, &reference->load, 0);
    redisReply *leader = MB_CALL(pipe, "GET", keys.leader);
    mb_text(keys.names.connection, MB_NAME, "%s", leader->str);
    freeReplyObject(leader);
    name_connection(keys.names.connection, keys.connection);
    double start = mb_seconds();
    MB_DO(pipe, "EVALSHA", reference->leave_sha, "3", keys.connection, keys.members, keys.leader,
          keys.names.connection);
    double seconds = mb_seconds() - start;
    MB_DO(pipe, "EVALSHA", reference->join_sha, "3", keys.connection, keys.members, keys.leader,
          keys.names.connection, keys.names.session);
    return seconds;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Names of connections, as read. */
struct names {
    redisReply *sets[MB_DEPTH]; /* arrays */
    size_t count;
    size_t set, place; /* the next one, while they are gone through */
};

static size_t all_names(const struct names *names) {
    size_t sum = 0;
    for (size_t i = 0; i < names->count; i++)
        sum += names->sets[i]->elements;
    return sum;
}

static void free_names(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        freeReplyObject(names->sets[i]);
}

static void read_hash(struct mb_pipe *pipe, size_t index, void *context) {
    struct names *names = context;
    char key[MB_LONG];
    (void)index;
    while (names->place == names->sets[names->set]->elements) {
        names->place = 0;
        names->set++;
    }
    name_connection(names->sets[names->set]->element[names->place++]->str, key);
    MB_APPEND(pipe, "HGETALL", key);
}

/* The sets of MB_DEPTH sessions together, then all their hashes together: who the members are must
 * be known before their hashes can be asked for. */
static void list_some(struct mb_pipe *pipe, const struct mb_reference *reference, size_t from,
                      size_t count) {
    enum { HASHES_IN_FLIGHT = 1000 };
    redisContext *redis = mb_pipe_context(pipe);
    struct names names = {.count = count};
    for (size_t i = 0; i < count; i++) {
        struct keys keys;
        prepare(&keys, &reference->load, (from + i) % reference->load.sessions);
        redisAppendCommand(redis, "SMEMBERS %s", keys.members);
    }
    for (size_t i = 0; i < count; i++) {
        void *reply = NULL;
        if (redisGetReply(redis, &reply) != REDIS_OK)
            mb_fail("cannot read from Redis: %s", redis->errstr);
        names.sets[i] = reply;
    }
    mb_pipe_run(pipe, all_names(&names), HASHES_IN_FLIGHT, read_hash, &names);
    free_names(&names);
}

double mb_reference_list(struct mb_pipe *pipe, const struct mb_reference *reference, size_t count) {
    double start = mb_seconds();
    for (size_t done = 0; done < count; done += MB_DEPTH)
        list_some(pipe, reference, done, count - done < MB_DEPTH ? count - done : MB_DEPTH);
    return mb_seconds() - start;
}

/* ---- removal of an instance ------------------------------------------------------------------ */

struct removal {
    const struct mb_reference *reference;
    const redisReply *connections;
    char instance[MB_LONG];
};

static size_t number_of(const char *connection) {
    return strtoul(connection + strlen("conn-"), NULL, 10);
}

/* All of it is one transaction; the session of a connection is known by its number, as it would be
 * from what was read. */
static void remove_all(struct mb_pipe *pipe, size_t index, void *context) {
    const struct removal *removal = context;
    (void)index;
    MB_APPEND(pipe, "MULTI");
    for (size_t i = 0; i < removal->connections->elements; i++) {
        struct keys keys;
        prepare(&keys, &removal->reference->load, number_of(removal->connections->element[i]->str));
        MB_APPEND(pipe, "DEL", keys.connection);
        MB_APPEND(pipe, "SREM", keys.members, keys.names.connection);
        MB_APPEND(pipe, "SREM", removal->instance, keys.names.connection);
    }
    for (size_t i = 0; i < removal->reference->load.sessions; i++) {
        struct keys keys;
        prepare(&keys, &removal->reference->load, i);
        MB_APPEND(pipe, "DEL", keys.leader);
    }
    MB_APPEND(pipe, "EXEC");
}

double mb_reference_remove(struct mb_pipe *pipe, const struct mb_reference *reference) {
    struct removal removal = {.reference = reference};
    char name[MB_NAME];
    mb_instance_name(0, name);
    mb_text(removal.instance, MB_LONG, MB_NS "instance:%s:connections", name);
    double start = mb_seconds();
    struct names names = {.sets = {MB_CALL(pipe, "SMEMBERS", removal.instance)}, .count = 1};
    mb_pipe_run(pipe, all_names(&names), MB_DEPTH, read_hash, &names);
    removal.connections = names.sets[0];
    mb_pipe_run(pipe, 1, 1, remove_all, &removal);
    double seconds = mb_seconds() - start;
    free_names(&names);
    return seconds;
}
