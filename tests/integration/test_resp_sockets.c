/* The RESP door of a real daemon: where it listens, what sockets may do and for how long, who is
 * turned away, who has his turn, how it ends. */
#include "lib/test.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/wait.h"
#include "resp/peer.h"

struct stand {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_process *daemon;
    const char *address;
};

static int set_up(void **state) {
    struct stand *stand = calloc(1, sizeof *stand);
    assert_non_null(stand);
    signal(SIGPIPE, SIG_IGN);
    stand->world = mt_world_create();
    stand->server = mt_server_start(stand->world, "redis", MT_SERVER_VOLATILE, NULL);
    *state = stand;
    return 0;
}

static int tear_down(void **state) {
    struct stand *stand = *state;
    mt_server_free(&stand->server);
    mt_world_destroy(&stand->world);
    free(stand);
    return 0;
}

static struct mt_process *launch(struct stand *stand, const char *name, const char *config) {
    char load[1024];
    int length =
        snprintf(load, sizeof load, "plugins.load=[{name: transport_resp, config: {%s}}]", config);
    assert_in_range(length, 1, sizeof load - 1);
    const char *const set[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                               "authorization.default=allow", load, NULL};
    return mt_daemon_start(stand->world, name,
                           &(struct mt_daemon_options){.server = stand->server, .set = set});
}

/* A daemon with one more setting, listening on loopback; ready. */
static void start(struct stand *stand, const char *setting) {
    char config[512];
    snprintf(config, sizeof config, "listen: [\"127.0.0.1:0\"]%s%s", setting[0] != '\0' ? ", " : "",
             setting);
    stand->daemon = launch(stand, "daemon", config);
    stand->address = resp_listening(stand->world, stand->daemon);
    free(mt_process_wait_line(stand->daemon, MT_STDERR, "\"event\":\"data."));
}

static struct peer *open_peer(const struct stand *stand) {
    return peer_open(stand->world, stand->address);
}

/* A number of METRICS. */
static long long metric(const struct stand *stand, const char *name) {
    struct peer *peer = open_peer(stand);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\nmuster_plugin_transport_resp_%s ", name);
    peer_say(peer, "METRICS\r\nPING\r\n");
    struct mt_wait wait = mt_wait_begin(stand->world, "metrics", __FILE__, __LINE__);
    while (peer->length == 0 || strstr(peer->input, "+PONG") == NULL) {
        if (!peer_read(peer))
            mt_wait_step(&wait);
    }
    const char *at = strstr(peer->input, wanted);
    if (at == NULL)
        mt_fail(stand->world, "no metric %s in %s", name, peer->input);
    long long value = strtoll(at + strlen(wanted), NULL, 10);
    peer_close(&peer);
    return value;
}

static void stop(struct stand *stand) {
    mt_process_signal(stand->daemon, SIGTERM);
    assert_int_equal(mt_process_wait(stand->daemon), 0);
}

/* ---- listening ---- */

static void it_listens_at_all_kinds_of_addresses(void **state) {
    struct stand *stand = *state;
    const char *path = mt_world_path(stand->world, "door");
    char config[512];
    snprintf(config, sizeof config,
             "listen: [\"127.0.0.1:0\", \"[::1]:0\", \"unix://%s\"], unix_mode: \"0660\"", path);
    stand->daemon = launch(stand, "daemon", config);
    for (int i = 0; i < 3; i++) {
        struct peer *peer = peer_open(stand->world, resp_listening(stand->world, stand->daemon));
        peer_say(peer, "PING\r\n");
        peer_expect(peer, "+PONG\r\n");
        peer_close(&peer);
    }
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    stop(stand);
    assert_int_not_equal(stat(path, &status), 0);
}

static void what_is_taken_is_said_with_its_place(void **state) {
    struct stand *stand = *state;
    start(stand, "");
    char config[512];
    snprintf(config, sizeof config, "listen: [\"%s\"]", stand->address);
    struct mt_process *second = launch(stand, "second", config);
    assert_int_equal(mt_process_wait(second), 2);
    free(mt_process_wait_line(second, MT_STDERR, "Address already in use; another musterd"));
    const char *path = mt_world_path(stand->world, "door");
    snprintf(config, sizeof config, "listen: [\"unix://%s\"]", path);
    struct mt_process *third = launch(stand, "third", config);
    (void)resp_listening(stand->world, third);
    struct mt_process *fourth = launch(stand, "fourth", config);
    assert_int_equal(mt_process_wait(fourth), 2);
    free(mt_process_wait_line(fourth, MT_STDERR, "Address already in use"));
    char address[256];
    snprintf(address, sizeof address, "unix://%s", path);
    struct peer *peer = peer_open(stand->world, address); /* it was not taken away */
    peer_say(peer, "PING\r\n");
    peer_expect(peer, "+PONG\r\n");
    peer_close(&peer);
}

static void a_socket_that_a_killed_daemon_left_is_replaced(void **state) {
    struct stand *stand = *state;
    char config[512];
    snprintf(config, sizeof config, "listen: [\"unix://%s\"]", mt_world_path(stand->world, "door"));
    struct mt_process *first = launch(stand, "first", config);
    (void)resp_listening(stand->world, first);
    mt_process_kill(first);
    struct mt_process *second = launch(stand, "second", config);
    struct peer *peer = peer_open(stand->world, resp_listening(stand->world, second));
    peer_say(peer, "PING\r\n");
    peer_expect(peer, "+PONG\r\n");
    peer_close(&peer);
}

static void addresses_that_are_none_are_refused(void **state) {
    struct stand *stand = *state;
    static const char *const wrong[] = {"localhost:1", "127.0.0.1", "127.0.0.1:65536",
                                        "::1:1",       "[::1]",     "unix://relative",
                                        "unix://",     ":1",        "127.0.0.1:1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char config[256];
        char name[32];
        snprintf(config, sizeof config, "listen: [\"%s\"]", wrong[i]);
        snprintf(name, sizeof name, "wrong%zu", i);
        struct mt_process *daemon = launch(stand, name, config);
        assert_int_equal(mt_process_wait(daemon), 2);
        free(mt_process_wait_line(daemon, MT_STDERR, "is no address; wanted is 127.0.0.1:7411"));
    }
}

/* ---- how long, how many ---- */

static void who_says_nothing_or_half_a_request_is_closed(void **state) {
    struct stand *stand = *state;
    start(stand, "handshake_timeout: 200ms");
    struct peer *silent = open_peer(stand);
    struct peer *half = open_peer(stand);
    struct peer *fine = open_peer(stand);
    peer_say(half, "PING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhe");
    peer_expect(half, "+PONG\r\n");
    peer_say(fine, "PING\r\n");
    peer_expect(fine, "+PONG\r\n");
    peer_expect_end(silent);
    peer_expect_end(half);
    peer_say(fine, "PING\r\n");
    peer_expect(fine, "+PONG\r\n");
    assert_int_equal(metric(stand, "handshake_timeouts_total"), 2);
    peer_close(&silent);
    peer_close(&half);
    peer_close(&fine);
}

static void who_asks_nothing_is_closed_but_no_subscriber_and_no_lifeline(void **state) {
    struct stand *stand = *state;
    start(stand, "idle_timeout: 200ms");
    struct peer *subscriber = open_peer(stand);
    struct peer *lifeline = open_peer(stand);
    struct peer *idle = open_peer(stand);
    peer_say(subscriber, "SUBSCRIBE instances\r\n");
    peer_expect(subscriber, "*3\r\n$9\r\nsubscribe\r\n$9\r\ninstances\r\n:1\r\n");
    peer_say(lifeline, "START n1 k1\r\n");
    peer_until(lifeline, "\"incarnation\":\"k1\"");
    peer_say(idle, "PING\r\n");
    peer_expect(idle, "+PONG\r\n");
    peer_expect_end(idle);
    struct peer *later = open_peer(stand); /* and again, so that the others were swept past */
    peer_say(later, "PING\r\n");
    peer_expect(later, "+PONG\r\n");
    peer_expect_end(later);
    peer_say(subscriber, "PING\r\n");
    peer_until(subscriber, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    peer_say(lifeline, "PING\r\n");
    peer_until(lifeline, "+PONG\r\n");
    peer_close(&subscriber);
    peer_close(&lifeline);
    peer_close(&idle);
    peer_close(&later);
}

/* An event that is published right behind the confirmation is heard. */
static void a_confirmed_subscription_stands_at_redis(void **state) {
    struct stand *stand = *state;
    start(stand, "");
    struct mt_redis *redis = mt_server_connect(stand->server);
    struct peer *peer = open_peer(stand);
    peer_say(peer, "HELLO 3\r\n");
    peer_until(peer, "role");
    for (int i = 0; i < 200; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s session:r%d\r\n", i % 2 == 0 ? "SUBSCRIBE" : "PSUBSCRIBE",
                 i);
        peer_say(peer, text);
        snprintf(text, sizeof text, "\r\nsession:r%d\r\n:%d\r\n", i, i + 1);
        peer_until(peer, text);
        assert_int_equal(mt_integer(redis, "PUBLISH " MT_NS "events:session:r%d {}", i), 1);
    }
    peer_close(&peer);
    mt_redis_close(&redis);
}

static void there_are_only_so_many_sockets(void **state) {
    struct stand *stand = *state;
    start(stand, "max_sockets: 2");
    struct peer *first = open_peer(stand);
    struct peer *second = open_peer(stand);
    peer_say(first, "PING\r\n");
    peer_expect(first, "+PONG\r\n");
    peer_say(second, "PING\r\n");
    peer_expect(second, "+PONG\r\n");
    struct peer *third = open_peer(stand);
    peer_expect(third, "-OVERLOADED there are max_sockets sockets\r\n");
    peer_expect_end(third);
    peer_close(&second);
    MT_WAIT(stand->world, metric(stand, "turned_away_total") >= 1, "room, and the count");
    peer_close(&first);
    peer_close(&third);
}

static void one_address_has_only_so_many(void **state) {
    struct stand *stand = *state;
    const char *path = mt_world_path(stand->world, "door");
    char config[512];
    snprintf(config, sizeof config,
             "listen: [\"unix://%s\", \"127.0.0.1:0\"], max_sockets_per_address: 1", path);
    stand->daemon = launch(stand, "daemon", config);
    stand->address = resp_listening(stand->world, stand->daemon);
    if (strncmp(stand->address, "unix", 4) == 0)
        stand->address = resp_listening(stand->world, stand->daemon);
    snprintf(config, sizeof config, "unix://%s", path);
    struct peer *first = open_peer(stand);
    peer_say(first, "PING\r\n");
    peer_expect(first, "+PONG\r\n");
    struct peer *second = open_peer(stand);
    peer_expect(second, "-OVERLOADED there are max_sockets_per_address sockets");
    struct peer *local = peer_open(stand->world, config); /* unix sockets are not counted */
    peer_say(local, "PING\r\n");
    peer_expect(local, "+PONG\r\n");
    peer_close(&first);
    peer_close(&second);
    peer_close(&local);
}

/* ---- turns and slow readers ---- */

enum { MANY = 20000 };

static size_t count_replies(const struct peer *peer) {
    size_t count = 0;
    for (size_t i = 0; i < peer->length; i++)
        count += peer->input[i] == '\n';
    return count;
}

static void one_that_sends_thousands_does_not_hold_up_another(void **state) {
    struct stand *stand = *state;
    start(stand, "");
    static const char request[] = "ISMEMBER room c1\r\n";
    size_t length = MANY * (sizeof request - 1);
    char *all = malloc(length);
    assert_non_null(all);
    for (size_t i = 0; i < MANY; i++)
        memcpy(all + i * (sizeof request - 1), request, sizeof request - 1);
    struct peer *greedy = open_peer(stand);
    struct peer *modest = open_peer(stand);
    size_t sent = 0;
    struct mt_wait wait = mt_wait_begin(stand->world, "a first reply", __FILE__, __LINE__);
    while (!peer_read(greedy)) {
        sent += peer_try_send(greedy, all + sent, length - sent);
        mt_wait_step(&wait);
    }
    /* All of it is on its way, or as much as the system takes. */
    sent += peer_try_send(greedy, all + sent, length - sent);
    peer_say(modest, request);
    wait = mt_wait_begin(stand->world, "the modest one's reply", __FILE__, __LINE__);
    size_t before = 0;
    while (!peer_read(modest)) {
        sent += peer_try_send(greedy, all + sent, length - sent);
        peer_read(greedy);
        before = count_replies(greedy);
        assert_false(modest->ended);
    }
    peer_expect(modest, ":0\r\n");
    assert_true(before < MANY / 2);
    while (count_replies(greedy) < MANY) {
        sent += peer_try_send(greedy, all + sent, length - sent);
        if (!peer_read(greedy))
            mt_wait_step(&wait);
    }
    assert_int_equal(greedy->length, (size_t)MANY * 4); /* ":0\r\n", in order, none lost */
    free(all);
    peer_close(&greedy);
    peer_close(&modest);
}

static void a_subscriber_that_does_not_read_is_closed_and_others_are_not(void **state) {
    struct stand *stand = *state;
    char config[512]; /* the system buffers less of a unix socket; METRICS must fit */
    snprintf(config, sizeof config, "listen: [\"unix://%s\"], max_output: 256KiB",
             mt_world_path(stand->world, "door"));
    stand->daemon = launch(stand, "daemon", config);
    stand->address = resp_listening(stand->world, stand->daemon);
    free(mt_process_wait_line(stand->daemon, MT_STDERR, "\"event\":\"data."));
    struct peer *slow = open_peer(stand);
    struct peer *good = open_peer(stand);
    struct peer *backend = open_peer(stand);
    peer_say(slow, "SUBSCRIBE session:room\r\n");
    peer_until(slow, ":1\r\n");
    peer_say(good, "SUBSCRIBE session:room\r\n");
    peer_until(good, ":1\r\n");
    peer_say(backend, "START n1 k1\r\nENTER room c1 n1 k1\r\n");
    peer_until(backend, "\"joined\":true");
    char profile[4000];
    memset(profile, 'x', sizeof profile);
    profile[sizeof profile - 1] = '\0';
    struct mt_wait wait = mt_wait_begin(stand->world, "the slow one's end", __FILE__, __LINE__);
    char request[5000];
    unsigned number = 0;
    while (metric(stand, "slow_readers_total") == 0) {
        for (int i = 0; i < 8; i++) { /* each one an event of 4 KB */
            int length = snprintf(request, sizeof request, "{\"n\":%u,\"x\":\"%.3900s\"}", ++number,
                                  profile);
            char head[128];
            int head_length = snprintf(head, sizeof head,
                                       "*5\r\n$6\r\nUPDATE\r\n$2\r\nc1\r\n$2\r\nn1\r\n$2\r\nk1"
                                       "\r\n$%d\r\n",
                                       length);
            peer_send(backend, head, (size_t)head_length);
            peer_send(backend, request, (size_t)length);
            peer_say(backend, "\r\n");
            while (peer_read(good))
                ;
        }
        for (int i = 0; i < 8; i++)
            peer_until(backend, "\"updated\":true");
        while (peer_read(good))
            ;
        mt_wait_step(&wait);
    }
    char last[64];
    snprintf(last, sizeof last, "\"n\":%u,", number);
    peer_until(good, last);
    assert_false(good->ended);
    assert_int_equal(metric(stand, "slow_readers_total"), 1);
    peer_expect_end(slow);
    peer_close(&slow);
    peer_close(&good);
    peer_close(&backend);
}

/* ---- the end ---- */

static void the_end_answers_what_is_under_way(void **state) {
    struct stand *stand = *state;
    start(stand, "");
    struct peer *idle = open_peer(stand);
    struct peer *busy = open_peer(stand);
    struct peer *said = open_peer(stand);
    peer_say(idle, "PING\r\n");
    peer_expect(idle, "+PONG\r\n");
    peer_say(said, "QUIT\r\n");
    peer_expect(said, "+OK\r\n");
    for (int i = 0; i < 50; i++)
        peer_say(busy, "ISMEMBER room c1\r\n");
    peer_expect(busy, ":0\r\n");
    stop(stand);
    peer_expect_end(idle);
    peer_expect_end(said);
    peer_expect_end(busy);
    for (size_t i = 0; i < busy->length; i += 4) /* whole replies only */
        assert_memory_equal(busy->input + i, ":0\r\n", 4);
    peer_close(&idle);
    peer_close(&busy);
    peer_close(&said);
}

static void new_limits_hold_without_a_restart(void **state) {
    struct stand *stand = *state;
    const char *file = mt_world_path(stand->world, "daemon.yaml");
    static const char *const settings[] = {"max_subscriptions: 1",
                                           "max_subscriptions: 2, unix_mode: \"0666\""};
    for (size_t i = 0; i < 2; i++) {
        FILE *out = fopen(file, "we");
        assert_non_null(out);
        fprintf(out,
                "namespace: t\nstate_dir: %s\nredis: {mode: external, url: \"%s\"}\n"
                "log: {level: debug, format: json}\nauthorization: {default: allow}\n"
                "plugins: {load: [{name: transport_resp, config: {listen: [\"127.0.0.1:0\"], %s}}]}"
                "\n",
                mt_world_path(stand->world, "state"), mt_server_url(stand->server), settings[i]);
        assert_int_equal(fclose(out), 0);
        if (i == 0) {
            stand->daemon = mt_process_start(
                stand->world, "daemon",
                (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config", file, NULL});
            stand->address = resp_listening(stand->world, stand->daemon);
            free(mt_process_wait_line(stand->daemon, MT_STDERR, "\"event\":\"data."));
        } else {
            mt_process_signal(stand->daemon, SIGHUP);
            free(mt_process_wait_line(
                stand->daemon, MT_STDERR,
                "config.needs_restart\",\"key\":\"plugins.load.transport_resp.unix_mode\""));
            mt_daemon_await(stand->daemon, "config.reloaded");
        }
        struct peer *peer = open_peer(stand);
        peer_say(peer, "SUBSCRIBE instances coordinator\r\n");
        peer_expect(peer, i == 0 ? "-OVERLOADED this socket would have" : "*3\r\n$9\r\nsubscribe");
        peer_close(&peer);
    }
}

/* ---- a client that we did not write ---- */

static void redis_cli_is_a_client(void **state) {
    struct stand *stand = *state;
    start(stand, "");
    const char *port = strrchr(stand->address, ':') + 1;
    static const struct {
        const char *words[8], *answer;
    } cases[] = {
        {{"PING"}, "PONG\n"},
        {{"-3", "PING"}, "PONG\n"},
        {{"START", "n1", "k1"}, "\"state\":\"up\""},
        {{"ENTER", "room", "c1", "n1", "k1", "{}", "{\"a\":[]}"}, "\"joined\":true"},
        {{"ISMEMBER", "room", "c1"}, "1\n"},
        {{"-3", "COUNT", "room", "empty"}, "1\n0\n"},
        {{"MEMBERS", "room"}, "\"profile\":{\"a\":[]}"},
        {{"HELP", "ENTER"}, "session connection instance incarnation"},
        {{"COMMAND", "DOCS", "KICK"}, "session connection [detail]"},
        {{"NOTHING"}, "BAD_REQUEST unknown command 'NOTHING'"},
        {{"INFO"}, "muster_version:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *argv[16] = {"redis-cli", "-p", port};
        for (size_t w = 0; w < 8 && cases[i].words[w] != NULL; w++)
            argv[3 + w] = cases[i].words[w];
        char *out = NULL;
        (void)mt_process_run(stand->world, "redis-cli", argv, &out);
        if (out == NULL || strstr(out, cases[i].answer) == NULL)
            mt_fail(stand->world, "redis-cli %s: '%s', wanted '%s'", cases[i].words[0], out,
                    cases[i].answer);
        free(out);
    }
}

#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(it_listens_at_all_kinds_of_addresses),
        SOCKET_TEST(what_is_taken_is_said_with_its_place),
        SOCKET_TEST(a_socket_that_a_killed_daemon_left_is_replaced),
        SOCKET_TEST(addresses_that_are_none_are_refused),
        SOCKET_TEST(who_says_nothing_or_half_a_request_is_closed),
        SOCKET_TEST(who_asks_nothing_is_closed_but_no_subscriber_and_no_lifeline),
        SOCKET_TEST(a_confirmed_subscription_stands_at_redis),
        SOCKET_TEST(there_are_only_so_many_sockets),
        SOCKET_TEST(one_address_has_only_so_many),
        SOCKET_TEST(one_that_sends_thousands_does_not_hold_up_another),
        SOCKET_TEST(a_subscriber_that_does_not_read_is_closed_and_others_are_not),
        SOCKET_TEST(the_end_answers_what_is_under_way),
        SOCKET_TEST(new_limits_hold_without_a_restart),
        SOCKET_TEST(redis_cli_is_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
