/* What the coordinator understands of the messages that Redis sends it. */
#include "lib/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/watcher.h"

static struct mu_signal read_message(const char *pattern, const char *channel,
                                     const char *payload) {
    struct mu_signal signal;
    size_t length = 0;
    while (payload[length] != '\0') {
        length++;
    }
    mu_watcher_read("m", pattern, channel, payload, length, &signal);
    return signal;
}

static void test_signals(void **state) {
    (void)state;
    struct mu_signal signal = read_message(
        NULL, "{m}:signal",
        "{\"signal\":\"lifeline\",\"instance\":\"a\",\"incarnation\":\"i\",\"quiet_ms\":250,"
        "\"daemon\":\"d2\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_LIFELINE);
    assert_string_equal(signal.instance, "a");
    assert_string_equal(signal.incarnation, "i");
    assert_int_equal(signal.quiet_ms, 250);
    assert_string_equal(signal.daemon, "d2");
    signal = read_message(
        NULL, "{m}:signal",
        "{\"signal\":\"lifeline\",\"instance\":\"a\",\"incarnation\":\"i\",\"quiet_ms\":-1}");
    assert_int_equal(signal.kind, MU_SIGNAL_LIFELINE);
    assert_int_equal(signal.quiet_ms, 0);
    assert_string_equal(signal.daemon, ""); /* a door of an older version */
    signal = read_message(NULL, "{m}:signal",
                          "{\"signal\":\"order\",\"order\":\"step-down\",\"by\":\"desk\","
                          "\"daemon\":\"d1\",\"epoch\":17}");
    assert_int_equal(signal.kind, MU_SIGNAL_STEP_DOWN);
    assert_int_equal(signal.epoch, 17);
    assert_string_equal(signal.order, "step-down");
    assert_string_equal(signal.by, "desk");
    signal = read_message(NULL, "{m}:signal",
                          "{\"signal\":\"order\",\"order\":\"bury\",\"by\":\"desk\","
                          "\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_BURIED);
    assert_string_equal(signal.instance, "a");
    assert_string_equal(signal.incarnation, "i");
    assert_int_equal(read_message(NULL, "{m}:signal",
                                  "{\"signal\":\"order\",\"order\":\"dance\",\"by\":\"desk\"}")
                         .kind,
                     MU_SIGNAL_NONE);
    assert_int_equal(
        read_message(NULL, "{m}:signal", "{\"signal\":\"order\",\"order\":\"reap\"}").kind,
        MU_SIGNAL_NONE); /* nobody's */
    signal = read_message(NULL, "{m}:signal", "{\"signal\":\"brake-release\",\"instance\":\"a\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_BRAKE_RELEASE);
    assert_int_equal(read_message(NULL, "{m}:signal", "{\"signal\":\"flush-decisions\"}").kind,
                     MU_SIGNAL_FLUSH);
    static const char *const bad[] = {
        "{\"signal\":\"lifeline\",\"instance\":\"a\"}",
        "{\"signal\":\"lifeline\",\"incarnation\":\"i\"}",
        "{\"signal\":\"lifeline\",\"instance\":\"a b\",\"incarnation\":\"i\"}",
        "{\"signal\":\"lifeline\",\"instance\":\"a\",\"incarnation\":7}",
        "{\"signal\":\"other\",\"instance\":\"a\",\"incarnation\":\"i\"}",
        "{\"signal\":7}",
        "{\"instance\":\"a\",\"incarnation\":\"i\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_message(NULL, "{m}:signal", bad[i]).kind, MU_SIGNAL_NONE);
    }
}

static void test_messages(void **state) {
    (void)state;
    struct mu_signal signal =
        read_message(NULL, "{m}:heartbeat", "{\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_HEARTBEAT);
    assert_string_equal(signal.instance, "a");
    assert_string_equal(signal.incarnation, "i");
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"instance\":\"a\"}",
                                      "{\"instance\":1,\"incarnation\":\"i\"}",
                                      "{\"instance\":\"a:b\",\"incarnation\":\"i\"}",
                                      "{\"instance\":\"a\",\"incarnation\":\"\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_message(NULL, "{m}:heartbeat", bad[i]).kind, MU_SIGNAL_NONE);
    }
    signal = read_message(NULL, "{m}:events:instances",
                          "{\"event\":\"instance.up\",\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_UP);
    signal = read_message(NULL, "{m}:events:instances", "{\"event\":\"instance.dead\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "{m}:events:coordinator",
                          "{\"event\":\"coordinator.elected\",\"id\":\"b\",\"epoch\":17}");
    assert_int_equal(signal.kind, MU_SIGNAL_ELECTED);
    assert_int_equal(signal.epoch, 17);
    signal = read_message(NULL, "__keyspace@0__:{m}:coordinator", "expired");
    assert_int_equal(signal.kind, MU_SIGNAL_LEASE_GONE);
    signal = read_message(NULL, "__keyspace@0__:{m}:coordinator", "expire");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "__keyevent@0__:evicted", "{m}:session:s");
    assert_int_equal(signal.kind, MU_SIGNAL_EVICTED);
    signal = read_message(NULL, "__keyevent@0__:evicted", "{other}:session:s");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    static const char *const channels[] = {"{other}:heartbeat", "{m}heartbeat",   "{m:heartbeat",
                                           "m}:heartbeat",      "{mm}:heartbeat", "{m}:heartbeats"};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        signal = read_message(NULL, channels[i], "{\"instance\":\"a\",\"incarnation\":\"i\"}");
        assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    }
    /* A plugin's pattern: ours came by the channel. */
    signal = read_message("{m}:events:*", "{m}:events:coordinator",
                          "{\"event\":\"coordinator.elected\",\"id\":\"b\",\"epoch\":17}");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
    signal = read_message(NULL, "{other}:heartbeat", "{\"instance\":\"a\",\"incarnation\":\"i\"}");
    assert_int_equal(signal.kind, MU_SIGNAL_NONE);
}

/* ---- heartbeats, the short way and the long one ---- */

/* The id that stands under this name, or NULL. */
static const char *id_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL && mu_id_valid(text, strlen(text)) ? text : NULL;
}

/* Holds what is read against what a parser of JSON says. True: it is a heartbeat. */
static bool compare(const char *payload, size_t length) {
    struct mu_signal signal;
    json_t *object = json_loadb(payload, length, JSON_REJECT_DUPLICATES, NULL);
    const char *instance = id_of(object, "instance");
    const char *incarnation = id_of(object, "incarnation");
    bool expected = instance != NULL && incarnation != NULL;
    mu_watcher_read("m", NULL, "{m}:heartbeat", payload, length, &signal);
    if ((signal.kind == MU_SIGNAL_HEARTBEAT) != expected) {
        fail_msg("%s: %.*s", expected ? "refused" : "taken", (int)length, payload);
    }
    assert_string_equal(signal.instance, expected ? instance : "");
    assert_string_equal(signal.incarnation, expected ? incarnation : "");
    json_decref(object);
    return expected;
}

/* Changes some bytes of `text`, of which there are `length`, with room for 64 more. */
static size_t mutate(char *text, size_t length, unsigned *seed) {
    static const char bytes[] = "\"\"\"\\{}[]:,, \n\tua1-.i\x7f\x80\xc3\xa9";
    for (int changes = rand_r(seed) % 4; changes > 0; changes--) {
        size_t at = (size_t)rand_r(seed) % (length + 1);
        char byte = bytes[(size_t)rand_r(seed) % sizeof bytes]; /* NUL, too */
        switch (rand_r(seed) % 4) {
        case 0:
            memmove(text + at + 1, text + at, length++ - at);
            text[at] = byte;
            break;
        case 1:
            length = at;
            break;
        case 2:
            if (at < length) {
                memmove(text + at, text + at + 1, --length - at);
            }
            break;
        default:
            text[at < length ? at : 0] = byte;
        }
    }
    return length;
}

static void test_heartbeats_as_a_parser_reads_them(void **state) {
    static const char *const seeds[] = {
        "{\"instance\":\"node-1\",\"incarnation\":\"k3f9x2ab\"}",
        "{\"instance\":\"a\",\"incarnation\":\"i\"}",
        "{\"incarnation\":\"i\",\"instance\":\"a\"}",
        "{ \"instance\" : \"a\", \"incarnation\" : \"i\", \"more\":[1,{}] }",
        "{\"instance\":\"a\",\"incarnation\":\"i\",\"instance\":\"b\"}",
        "{\"instance\":\"\\u0061\",\"incarnation\":\"i\"}",
    };
    unsigned seed = 9;
    size_t taken = 0;
    (void)state;
    for (size_t i = 0; i < 60000; i++) {
        char text[256];
        const char *from = seeds[i % (sizeof seeds / sizeof *seeds)];
        size_t length = strlen(from);
        memcpy(text, from, length + 1);
        length = mutate(text, length, &seed);
        /* Just as long as it is, so that a byte too many is seen by who watches memory. */
        char *exact = malloc(length > 0 ? length : 1);
        assert_non_null(exact);
        memcpy(exact, text, length);
        taken += compare(exact, length) ? 1 : 0;
        free(exact);
    }
    assert_in_range(taken, 10000, 50000);
}

/* An id may have 128 bytes. */
static void test_the_longest_heartbeat(void **state) {
    char id[MU_ID_SIZE + 1] = "";
    char text[2 * sizeof id + 64];
    (void)state;
    for (size_t length = MU_ID_MAX - 1; length <= MU_ID_MAX + 1; length++) {
        memset(id, 'x', length);
        snprintf(text, sizeof text, "{\"instance\":\"%s\",\"incarnation\":\"i\"}", id);
        assert_int_equal(compare(text, strlen(text)), length <= MU_ID_MAX);
        snprintf(text, sizeof text, "{\"instance\":\"i\",\"incarnation\":\"%s\"}", id);
        assert_int_equal(compare(text, strlen(text)), length <= MU_ID_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_heartbeats_as_a_parser_reads_them),
        cmocka_unit_test(test_the_longest_heartbeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
