/* The follower against sentinels that say what the test wants, and real servers behind them. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/server.h"
#include "redis/link.h"
#include "redis/sentinel.h"
#include "redis/subscriber.h"

enum { MOST_PEERS = 3 };

struct fixture {
    struct mt_world *world;
    struct mt_loop *loop;
    struct mt_server *master;
    struct mt_server *replica;
    int master_port;
    int replica_port;
    char master_text[8];
    char replica_text[8];
    char replica_of[32];
    const char *master_options[6];
    const char *replica_options[8];
    struct mt_peer *peers[MOST_PEERS];
    char answers[MOST_PEERS][256];
    struct mt_peer_script scripts[MOST_PEERS];
    size_t count;
    struct mu_sentinel *sentinel;
    struct mu_log *log;
    FILE *logged;
    unsigned found;
    char host[64];
    int port;
};

static void on_master(void *context, const struct mu_redis_address *address) {
    struct fixture *f = context;
    f->found++;
    f->port = address->port;
    snprintf(f->host, sizeof f->host, "%s", address->host);
}

static int start(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    signal(SIGPIPE, SIG_IGN);
    f->world = mt_world_create();
    f->loop = mt_loop_create(f->world);
    f->master_port = mt_free_port();
    snprintf(f->master_text, sizeof f->master_text, "%d", f->master_port);
    const char *const master[] = {"--port", f->master_text, "--bind", "127.0.0.1", NULL};
    memcpy(f->master_options, master, sizeof master);
    f->master = mt_server_start(f->world, "master", MT_SERVER_VOLATILE, f->master_options);
    f->replica_port = mt_free_port();
    snprintf(f->replica_text, sizeof f->replica_text, "%d", f->replica_port);
    snprintf(f->replica_of, sizeof f->replica_of, "127.0.0.1 %d", f->master_port);
    const char *const replica[] = {"--port",      f->replica_text, "--bind", "127.0.0.1",
                                   "--replicaof", f->replica_of,   NULL};
    memcpy(f->replica_options, replica, sizeof replica);
    f->replica = mt_server_start(f->world, "replica", MT_SERVER_VOLATILE, f->replica_options);
    *state = f;
    return 0;
}

static int end(void **state) {
    struct fixture *f = *state;
    mt_loop_destroy(&f->loop);
    mt_server_free(&f->master);
    mt_server_free(&f->replica);
    mt_world_destroy(&f->world);
    free(f);
    return 0;
}

/* One more sentinel, which says this for ever. A port of 0: it knows no such master. */
static void add_peer(struct fixture *f, const char *host, int port, int epoch) {
    size_t i = f->count++;
    char digits[8];
    snprintf(digits, sizeof digits, "%d", port);
    if (port == 0)
        snprintf(f->answers[i], sizeof f->answers[i], "*-1\r\n-ERR No such master\r\n");
    else
        snprintf(f->answers[i], sizeof f->answers[i],
                 "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n*2\r\n$12\r\nconfig-epoch\r\n$1\r\n%d\r\n",
                 strlen(host), host, strlen(digits), digits, epoch);
    f->scripts[i] = (struct mt_peer_script){.first = "+PONG\r\n", .answer = f->answers[i]};
    f->peers[i] = mt_peer_create(f->loop, &f->scripts[i]);
}

/* Follows what the peers say; `dead` is the port of one more, at the head of the list, 0: none. */
static void follow(struct fixture *f, int dead) {
    struct mu_sentinel_places places;
    struct mu_error error;
    char list[256] = "";
    size_t used = 0;
    if (dead != 0)
        used = (size_t)snprintf(list, sizeof list, "127.0.0.1:%d,", dead);
    for (size_t i = 0; i < f->count; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s127.0.0.1:%d",
                                 i == 0 ? "" : ",", mt_peer_port(f->peers[i]));
    const struct mu_sentinel_names names = {.master = "m", .list = list};
    assert_int_equal(mu_sentinel_places_read(&names, &places, &error), MUSTER_OK);
    f->logged = tmpfile();
    assert_non_null(f->logged);
    f->log = mu_log_create(fileno(f->logged), MU_LOG_DEBUG, MU_LOG_LOGFMT);
    f->found = 0;
    f->sentinel = mu_sentinel_create(mt_loop_uv(f->loop), &(struct mu_sentinel_options){
                                                              .master = "m",
                                                              .places = &places,
                                                              .log = f->log,
                                                              .context = f,
                                                              .on_master = on_master,
                                                          });
    mu_sentinel_places_deinit(&places);
}

static bool logged(struct fixture *f, const char *text) {
    static char all[65536];
    ssize_t got = pread(fileno(f->logged), all, sizeof all - 1, 0);
    all[got > 0 ? got : 0] = '\0';
    return strstr(all, text) != NULL;
}

static void on_closed(void *context) {
    *(bool *)context = true;
}

static int close_all(void **state) {
    struct fixture *f = *state;
    bool closed = false;
    if (f->sentinel != NULL) {
        mu_sentinel_close(&f->sentinel, on_closed, &closed);
        MT_SPIN(f->loop, closed, "a follower that has ended");
        mu_log_destroy(&f->log);
        fclose(f->logged);
    }
    while (f->count > 0)
        mt_peer_close(&f->peers[--f->count]);
    return 0;
}

/* The first of the list is away, the second knows of an older failover. */
static void the_newest_answer_is_followed(void **state) {
    struct fixture *f = *state;
    add_peer(f, "127.0.0.1", f->replica_port, 1);
    add_peer(f, "localhost", f->master_port, 2); /* a name is as good as an address */
    follow(f, mt_free_port());
    MT_SPIN(f->loop, f->found > 0, "a master");
    assert_string_equal(f->host, "localhost");
    assert_int_equal(f->port, f->master_port);
}

/* It names a replica, with the highest epoch of all: it is looked at, and not believed. */
static void a_replica_is_not_believed(void **state) {
    struct fixture *f = *state;
    add_peer(f, "127.0.0.1", f->replica_port, 9);
    add_peer(f, "127.0.0.1", f->master_port, 3);
    follow(f, 0);
    MT_SPIN(f->loop, f->found > 0, "a master");
    assert_int_equal(f->port, f->master_port);
    assert_true(logged(f, "sentinel.refused"));
    assert_true(logged(f, "it is no master"));
    /* Also not later, when it is asked again. */
    mu_sentinel_fine(f->sentinel);
    mu_sentinel_lost(f->sentinel);
    struct mt_wait wait = mt_wait_begin(f->world, "turns", __FILE__, __LINE__);
    for (int i = 0; i < 50; i++)
        mt_loop_turn(f->loop, &wait);
    assert_int_equal(f->found, 1);
}

/* What the owner finds to be none is left for the next best. */
static void what_is_refused_is_left(void **state) {
    struct fixture *f = *state;
    add_peer(f, "127.0.0.1", f->master_port, 9);
    add_peer(f, "localhost", f->master_port, 3);
    follow(f, 0);
    MT_SPIN(f->loop, f->found == 1, "a master");
    assert_string_equal(f->host, "127.0.0.1");
    mu_sentinel_refused(f->sentinel, "says the test");
    MT_SPIN(f->loop, f->found == 2, "another one");
    assert_string_equal(f->host, "localhost");
}

static void nobody_knows_it(void **state) {
    struct fixture *f = *state;
    add_peer(f, "", 0, 0);
    add_peer(f, "", 0, 0);
    follow(f, mt_free_port());
    MT_SPIN(f->loop, logged(f, "2 of 3 sentinels know no such master, 1 cannot be asked"),
            "a complaint");
    assert_int_equal(f->found, 0);
}

/* It is named, but nothing is there: asking goes on, and it is found once it is. */
static void a_master_that_comes_later(void **state) {
    struct fixture *f = *state;
    mt_server_kill(f->master);
    add_peer(f, "127.0.0.1", f->master_port, 1);
    follow(f, 0);
    MT_SPIN(f->loop, logged(f, "connection refused"), "a look at nothing");
    assert_int_equal(f->found, 0);
    mt_server_restart(f->master);
    MT_SPIN(f->loop, f->found == 1, "a master");
}

/* ---- connections that move ---- */

struct moving {
    struct mu_link *link;
    struct mu_subscriber *subscriber;
    unsigned downs;
    unsigned ups;
    char reason[MU_ERROR_TEXT];
};

static void on_moving_down(void *context, const struct mu_error *reason) {
    struct moving *m = context;
    m->downs++;
    snprintf(m->reason, sizeof m->reason, "%s", reason->text);
}

static void on_moving_up(void *context) {
    ((struct moving *)context)->ups++;
}

static struct mu_redis_address at(int port) {
    static char host[] = "127.0.0.1";
    return (struct mu_redis_address){.host = host, .port = (uint16_t)port};
}

/* Neither a connection that is fine nor the longest back-off is waited for. */
static void a_move_is_made_at_once(void **state) {
    struct fixture *f = *state;
    struct moving m = {0};
    struct mu_redis_address nowhere = at(mt_free_port());
    struct mu_redis_address master = at(f->master_port);
    struct mu_redis_address replica = at(f->replica_port);
    const uint64_t hour = 3600000;
    m.link =
        mu_link_create(mt_loop_uv(f->loop), &(struct mu_link_options){.address = &nowhere,
                                                                      .retry_min_ms = hour,
                                                                      .retry_max_ms = hour,
                                                                      .context = &m,
                                                                      .on_down = on_moving_down});
    m.subscriber = mu_subscriber_create(mt_loop_uv(f->loop),
                                        &(struct mu_subscriber_options){.address = &master,
                                                                        .retry_min_ms = hour,
                                                                        .retry_max_ms = hour,
                                                                        .context = &m,
                                                                        .on_up = on_moving_up});
    mu_subscriber_subscribe(m.subscriber, "channel");
    MT_SPIN(f->loop, m.downs == 1 && m.ups == 1, "a back-off, and a subscription");
    mu_link_move(m.link, &master);
    MT_SPIN(f->loop, mu_link_is_open(m.link), "a link out of its back-off");
    mu_link_move(m.link, &replica);
    mu_subscriber_move(m.subscriber, &replica);
    MT_SPIN(f->loop, mu_link_connections(m.link) == 2 && m.ups == 2, "both at another server");
    assert_int_equal(m.downs, 2);
    assert_non_null(strstr(m.reason, "left for another address"));
    bool closed[2] = {false};
    mu_subscriber_close(&m.subscriber, on_closed, &closed[0]);
    mu_link_close(&m.link, on_closed, &closed[1]);
    MT_SPIN(f->loop, closed[0] && closed[1], "both closed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_newest_answer_is_followed, close_all),
        cmocka_unit_test_teardown(a_replica_is_not_believed, close_all),
        cmocka_unit_test_teardown(what_is_refused_is_left, close_all),
        cmocka_unit_test_teardown(nobody_knows_it, close_all),
        cmocka_unit_test_teardown(a_master_that_comes_later, close_all),
        cmocka_unit_test(a_move_is_made_at_once),
    };
    return cmocka_run_group_tests(tests, start, end);
}
