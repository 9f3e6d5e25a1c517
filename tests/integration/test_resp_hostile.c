/* Peers of the RESP door that mean ill, or are ill: what they send is no request, comes bit by bit,
 * or never; they break off, or do not read. Each gets a clear error or the end, memory is bounded,
 * and others do not notice. (test_resp_crowd.c: too many of them, or of their requests.) */
#include "lib/test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/wait.h"
#include "resp/hostile.h"

enum { MIB = 1024 /* KiB */ };

/* ---- what is no request ---- */

static void what_is_no_request_is_said_and_ends(void **state) {
    struct hostile *hostile = *state;
    static const struct {
        const char *text, *answer;
    } cases[] = {
        {"*2147483647\r\n", "the number of arguments to be at most 1025, found more"},
        {"*99999999999999999999\r\n", "the number of arguments to be at most 1025, found more"},
        {"*-2\r\n", "'1' behind '*-', found '2'"},
        {"*01\r\n", "the number of arguments without leading zeros, found '0' and '1'"},
        {"*1\n", "the number of arguments as decimal digits and CRLF, found 0x0a"},
        {"*1\r\n$1073741824\r\n", "the length of an argument to be at most 262144, found more"},
        {"*1\r\n$-1\r\n", "the length of an argument as decimal digits and CRLF, found '-'"},
        {"*1\r\n*1\r\n*1\r\n*1\r\n", "'$' before an argument, found '*'"},
        {"*1\r\n$4\r\nPINGPING\r\n", "0x0d behind an argument, found 'P'"},
        {"*5\r\n$262144\r\n", NULL}, /* may yet come: no answer */
        {"%1\r\n$1\r\na\r\n$1\r\nb\r\n", "'*' or an inline request, found '%'"},
        {"\x16\x03\x01\x02\x01", "'*' or an inline request as plain text, found 0x16"},
        {"ECHO \"a\r\n", "a closing quote and a space behind it in an inline request"},
    };
    hostile_start(hostile, "");
    long before = hostile_memory(hostile);
    long long broken = 0;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct peer *peer = hostile_peer(hostile);
            peer_say(peer, "PING\r\n");
            peer_say(peer, cases[i].text);
            peer_say(peer, "PING\r\n"); /* nobody knows where it would begin */
            peer_expect(peer, "+PONG\r\n");
            if (cases[i].answer != NULL) {
                peer_expect(peer, "-BAD_REQUEST expected ");
                peer_expect(peer, cases[i].answer);
                peer_expect_end(peer);
                assert_null(strstr(peer->input, "+PONG"));
                broken++;
            }
            peer_close(&peer);
        }
        hostile_check(hostile);
    }
    assert_int_equal(hostile_metric(hostile, "broken_total"), broken);
    hostile_await(hostile, "sockets", 1);
    hostile_bound(hostile, before, 8 * MIB);
}

static void a_line_without_end_is_too_long(void **state) {
    struct hostile *hostile = *state;
    static char line[70000];
    hostile_start(hostile, "");
    memset(line, 'x', sizeof line);
    struct peer *peer = hostile_peer(hostile);
    (void)peer_send(peer, line, sizeof line);
    peer_expect(peer, "-BAD_REQUEST expected an inline request of at most 65536 bytes, found more");
    peer_expect_end(peer);
    peer_close(&peer);
    hostile_check(hostile);
}

static void http_is_closed_and_nothing_of_it_is_done(void **state) {
    struct hostile *hostile = *state;
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: localhost\r\n\r\nSTART evil k1\r\nPING\r\n",
        "Host: localhost\r\nSTART evil k1\r\n",
    };
    hostile_start(hostile, "");
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct peer *peer = hostile_peer(hostile);
        peer_say(peer, requests[i]);
        peer_expect_end(peer);
        assert_int_equal(peer->length, 0);
        peer_close(&peer);
    }
    assert_int_equal(hostile_metric(hostile, "http_total"), 3);
    peer_say(hostile->fine, "INSTANCES\r\n");
    peer_expect(hostile->fine, "$2\r\n[]\r\n");
}

/* ---- what comes slowly, or never ---- */

static void bytes_one_by_one_are_requests(void **state) {
    struct hostile *hostile = *state;
    static const char request[] = "*3\r\n$8\r\nISMEMBER\r\n$4\r\nroom\r\n$2\r\nc1\r\n"
                                  "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n"
                                  "ECHO \"a b\"\r\n";
    enum { PEERS = 20 };
    struct peer *peers[PEERS];
    hostile_start(hostile, "");
    for (int i = 0; i < PEERS; i++) {
        peers[i] = hostile_peer(hostile);
        int one = 1;
        assert_int_equal(setsockopt(peers[i]->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    }
    for (size_t at = 0; at < sizeof request - 1; at++) {
        for (int i = 0; i < PEERS; i++)
            assert_true(peer_send(peers[i], request + at, 1));
        if (at % 8 == 0)
            hostile_check(hostile); /* so that the bytes before were read by themselves */
    }
    for (int i = 0; i < PEERS; i++) {
        peer_expect(peers[i], ":0\r\n$4\r\n\r\n\r\n\r\n$3\r\na b\r\n");
        peer_close(&peers[i]);
    }
}

/* Room is made for what comes, not for what is announced. */
static void what_is_announced_costs_nothing(void **state) {
    struct hostile *hostile = *state;
    enum { PEERS = 400 };
    struct peer *peers[PEERS];
    hostile_start(hostile, "handshake_timeout: 1h, max_request: 16MiB, max_argument: 16MiB");
    long before = hostile_memory(hostile);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = hostile_peer(hostile);
        peer_say(peers[i],
                 i % 2 == 0 ? "*1025\r\n$4\r\nECHO\r\n$16000000\r\nx" : "*1025\r\n$16000000\r\n");
    }
    hostile_await(hostile, "sockets", PEERS + 1);
    hostile_check(hostile);
    hostile_bound(hostile, before, 16 * MIB); /* 6 GB were announced */
    for (int i = 0; i < PEERS; i++)
        peer_close(&peers[i]);
    hostile_await(hostile, "sockets", 1);
}

/* ---- who breaks off ---- */

static void reset(struct peer **peer) {
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt((*peer)->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    peer_close(peer);
}

static void resets_leave_nothing_behind(void **state) {
    struct hostile *hostile = *state;
    static const char *const last[] = {"COUNT a b c\r\n", "*3\r\n$4\r\nECHO\r\n$10", "METRICS\r\n",
                                       "SUBSCRIBE session:room\r\n", "HELLO 3\r\nCOMMAND DOCS\r\n"};
    hostile_start(hostile, "");
    long before = hostile_memory(hostile);
    for (int i = 0; i < 300; i++) {
        struct peer *peer = hostile_peer(hostile);
        for (int k = 0; k < 30; k++)
            peer_say(peer, "ISMEMBER room c1\r\nPING\r\n");
        peer_say(peer, last[i % 5]);
        if (i % 3 == 0)
            peer_expect(peer, ":0\r\n"); /* sometimes in the middle of the answers */
        reset(&peer);
        if (i % 50 == 0)
            hostile_check(hostile);
    }
    hostile_await(hostile, "sockets", 1);
    hostile_await(hostile, "subscriptions", 0);
    hostile_await(hostile, "output_bytes", 0);
    hostile_check(hostile);
    hostile_bound(hostile, before, 16 * MIB);
}

/* ---- who does not read ---- */

/* Each one an event of 4 KB for the room. */
static unsigned publish(struct peer *backend, unsigned number, unsigned count) {
    static char profile[3900];
    char request[5000];
    memset(profile, 'x', sizeof profile - 1);
    for (unsigned i = 0; i < count; i++) {
        char text[4200];
        int size = snprintf(text, sizeof text, "{\"n\":%u,\"x\":\"%s\"}", ++number, profile);
        int length = snprintf(request, sizeof request,
                              "*5\r\n$6\r\nUPDATE\r\n$2\r\nc1\r\n$2\r\nn1\r\n$2\r\nk1\r\n"
                              "$%d\r\n%s\r\n",
                              size, text);
        assert_true(peer_send(backend, request, (size_t)length));
    }
    for (unsigned i = 0; i < count; i++)
        peer_until(backend, "\"updated\":true");
    return number;
}

/* Reads what there is of a subscription, and demands that nothing is left out. */
static void follow(struct peer *peer, unsigned *seen) {
    while (peer_read(peer)) {
    }
    assert_false(peer->ended);
    const char *done = peer->input;
    for (const char *at = done; (at = strstr(at, "{\"n\":")) != NULL; done = at) {
        char *end = NULL;
        unsigned long number = strtoul(at + 5, &end, 10);
        if (*end != ',')
            break; /* cut */
        assert_int_equal(number, ++*seen);
        at = end;
    }
    peer->length -= (size_t)(done - peer->input);
    memmove(peer->input, done, peer->length + 1);
}

static void who_stands_still_is_closed_and_the_others_get_everything(void **state) {
    struct hostile *hostile = *state;
    unsigned seen[2] = {0, 0};
    unsigned number = 0;
    hostile_start(hostile, "max_output: 1MiB");
    const char *const argv[] = {"redis-cli", "-p",        strrchr(hostile->address, ':') + 1,
                                "-3",        "SUBSCRIBE", "session:room",
                                NULL};
    struct mt_process *still = mt_process_start(hostile->world, "still", argv);
    struct peer *backend = hostile_peer(hostile);
    struct peer *good[2] = {hostile_peer(hostile), hostile_peer(hostile)};
    peer_say(good[0], "SUBSCRIBE session:room\r\n");
    peer_until(good[0], ":1\r\n");
    peer_say(good[1], "HELLO 3\r\nSUBSCRIBE session:room\r\n");
    peer_until(good[1], "$12\r\nsession:room\r\n:1\r\n");
    hostile_await(hostile, "subscriptions", 3);
    mt_process_signal(still, SIGSTOP);
    peer_say(backend, "START n1 k1\r\nENTER room c1 n1 k1\r\n");
    peer_until(backend, "\"joined\":true");
    long before = hostile_memory(hostile);
    struct mt_wait wait = mt_wait_begin(hostile->world, "its end", __FILE__, __LINE__);
    while (hostile_metric(hostile, "slow_readers_total") == 0) {
        for (int i = 0; i < 10; i++) {
            number = publish(backend, number, 20);
            follow(good[0], &seen[0]);
            follow(good[1], &seen[1]);
        }
        mt_wait_step(&wait);
    }
    for (int i = 0; i < 2; i++) {
        while (seen[i] < number) {
            follow(good[i], &seen[i]);
            mt_wait_step(&wait);
        }
        peer_close(&good[i]);
    }
    assert_int_equal(hostile_metric(hostile, "slow_readers_total"), 1);
    hostile_check(hostile);
    hostile_bound(hostile, before, 16 * MIB);
    mt_process_kill(still);
    peer_close(&backend);
}

/* Requests whose replies nobody reads: the door stops reading, and keeps no more than its bound. */
static void who_asks_and_does_not_read_waits(void **state) {
    struct hostile *hostile = *state;
    hostile_start(hostile, "max_output: 1MiB");
    long before = hostile_memory(hostile);
    struct peer *peer = hostile_peer(hostile);
    static char text[64 * 1024];
    size_t length = 0;
    while (length + 16 < sizeof text) {
        memcpy(text + length, "COMMAND DOCS\r\n", 14);
        length += 14;
    }
    /* Each of these is answered with 8 KB: 400 MB are asked for, if the door would take them. */
    size_t sent = 0;
    for (int idle = 0; idle < 20 && sent < 10 * length; idle++) {
        size_t took = peer_try_send(peer, text, length);
        sent += took;
        idle = took > 0 ? 0 : idle;
        hostile_check(hostile); /* whatever it does, others go on */
    }
    assert_true(hostile_metric(hostile, "output_bytes") <= 2L * 1024 * 1024);
    assert_int_equal(hostile_metric(hostile, "slow_readers_total"), 0); /* no need to close it */
    assert_false(peer->ended);
    hostile_bound(hostile, before, 32 * MIB);
    peer_close(&peer);
    hostile_await(hostile, "sockets", 1);
    hostile_await(hostile, "output_bytes", 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(what_is_no_request_is_said_and_ends),
        HOSTILE_TEST(a_line_without_end_is_too_long),
        HOSTILE_TEST(http_is_closed_and_nothing_of_it_is_done),
        HOSTILE_TEST(bytes_one_by_one_are_requests),
        HOSTILE_TEST(what_is_announced_costs_nothing),
        HOSTILE_TEST(resets_leave_nothing_behind),
        HOSTILE_TEST(who_stands_still_is_closed_and_the_others_get_everything),
        HOSTILE_TEST(who_asks_and_does_not_read_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
