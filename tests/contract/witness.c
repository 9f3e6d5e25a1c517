#include "contract/witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/dump.h"
#include "lib/memory.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { MOST = 64, SHOWN = 40 };

struct mt_witness {
    struct mt_stand *stand;
    struct mt_redis *ear;     /* hears what is published */
    struct mt_redis *monitor; /* what Redis is told */
    struct {
        char tail[MT_WITNESS_TAIL + 1];
        bool told;
    } secrets[MOST];
    size_t count;
    size_t found;
};

static struct mt_redis *listen_with(struct mt_stand *stand, const char *command) {
    struct mt_redis *redis = mt_redis_again(stand->redis);
    redisSetTimeout(mt_redis_context(redis), (struct timeval){.tv_sec = 60 * (long)mt_slowness()});
    mt_command(redis, command);
    return redis;
}

struct mt_witness *mt_witness_create(struct mt_stand *stand) {
    struct mt_witness *witness = calloc(1, sizeof *witness);
    assert_non_null(witness);
    witness->stand = stand;
    witness->ear = listen_with(stand, "PSUBSCRIBE *");
    witness->monitor = listen_with(stand, "MONITOR");
    return witness;
}

void mt_witness_destroy(struct mt_witness **pointer) {
    mt_redis_close(&(*pointer)->ear);
    mt_redis_close(&(*pointer)->monitor);
    free(*pointer);
    *pointer = NULL;
}

const char *mt_witness_mark(struct mt_witness *witness) {
    unsigned char bytes[MT_WITNESS_TAIL / 2];
    char *mark = malloc(MT_WITNESS_TAIL + 1);
    assert_non_null(mark);
    assert_int_equal(getrandom(bytes, sizeof bytes, 0), sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(mark + 2 * i, 3, "%02x", bytes[i]);
    return mt_keep_text(witness->stand, mark);
}

void mt_witness_keep(struct mt_witness *witness, const char *secret, bool told) {
    size_t length = strlen(secret);
    assert_true(length >= MT_WITNESS_TAIL && witness->count < MOST);
    memcpy(witness->secrets[witness->count].tail, secret + length - MT_WITNESS_TAIL,
           MT_WITNESS_TAIL + 1);
    witness->secrets[witness->count++].told = told;
}

/* The secret that stands in the text; NULL: none. */
static const char *secret_in(const struct mt_witness *witness, const char *text, bool *told) {
    for (size_t i = 0; i < witness->count; i++) {
        if (strstr(text, witness->secrets[i].tail) != NULL) {
            *told = witness->secrets[i].told;
            return witness->secrets[i].tail;
        }
    }
    return NULL;
}

static void expect_none(const struct mt_witness *witness, const char *text, const char *where) {
    bool told = false;
    const char *secret = secret_in(witness, text, &told);
    if (secret != NULL)
        mt_fail(witness->stand->world, "the secret ...%s stands in %s: %s", secret, where, text);
}

static void look_at_monitor(struct mt_witness *witness) {
    redisContext *context = mt_redis_context(witness->monitor);
    const char *mark = mt_witness_mark(witness);
    size_t calls = 0;
    size_t wanted = 0;
    mt_command(witness->stand->redis, "ECHO %s", mark);
    for (bool end = false; !end;) {
        redisReply *reply = NULL;
        bool told = false;
        assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
        const char *line = reply->str;
        bool asked = strstr(line, "\"PUBLISH\" \"" MT_NS "request\"") != NULL;
        bool called = strstr(line, "\"FCALL\"") != NULL;
        end = strstr(line, mark) != NULL;
        if (!asked && secret_in(witness, line, &told) != NULL) {
            if (!called || !told)
                mt_fail(witness->stand->world, "Redis was told a secret: %s", line);
            calls++;
        }
        freeReplyObject(reply);
    }
    for (size_t i = 0; i < witness->count; i++)
        wanted += witness->secrets[i].told;
    assert_true(wanted == 0 || calls > 0); /* or this would look at nothing */
}

static void look_at_messages(struct mt_witness *witness) {
    redisContext *context = mt_redis_context(witness->ear);
    size_t heard = 0;
    mt_command(witness->stand->redis, "PUBLISH end end");
    for (bool end = false; !end; heard++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->elements, 4);
        end = strcmp(reply->element[2]->str, "end") == 0;
        if (strcmp(reply->element[2]->str, MT_NS "request") != 0)
            expect_none(witness, reply->element[3]->str, reply->element[2]->str);
        freeReplyObject(reply);
    }
    assert_true(heard > 1);
}

static void found(void *context, const char *map, const char *around, size_t length) {
    struct mt_witness *witness = context;
    char shown[200];
    size_t used = 0;
    for (size_t i = 0; i < length && used < sizeof shown - 1; i++)
        shown[used++] = (char)(around[i] >= 0x20 && around[i] < 0x7f ? around[i] : '.');
    shown[used] = '\0';
    if (witness->found++ < SHOWN)
        print_error("%s: %s\n", map, shown);
}

static void look_at_memory(struct mt_witness *witness, pid_t pid) {
    if (!mt_memory_is_plain())
        return;
    /* The search finds what is there: the namespace is no secret. */
    assert_true(mt_memory_count(pid, MT_NAMESPACE, sizeof MT_NAMESPACE, NULL, NULL) > 0);
    for (size_t i = 0; i < witness->count; i++)
        mt_memory_count(pid, witness->secrets[i].tail, MT_WITNESS_TAIL, found, witness);
    if (witness->found > 0)
        mt_fail(witness->stand->world, "secrets stand in the memory of the daemon in %zu places",
                witness->found);
}

void mt_witness_judge(struct mt_witness *witness, const struct mt_process *daemon) {
    look_at_memory(witness, mt_process_pid(daemon));
    look_at_monitor(witness);
    look_at_messages(witness);
    char *log = mt_process_output(daemon, MT_STDERR);
    assert_non_null(strstr(log, "\"level\":\"debug\""));
    expect_none(witness, log, "the log");
    free(log);
    char *dump = mt_dump(witness->stand->redis);
    expect_none(witness, dump, "Redis");
    free(dump);
}
