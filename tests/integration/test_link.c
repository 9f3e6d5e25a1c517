/* The link against a real Redis: order, bounds, log-in, loss, preparation, the end. What only a
 * broken peer does is in test_link_peers.c. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stage.h"
#include "redis/link.h"

enum { RING = 10000 };

struct fixture {
    struct mt_stage stage;
    struct mu_link *link;
    unsigned connected;
    unsigned downs;
    unsigned closed;
    char reason[MU_ERROR_TEXT];
    enum muster_status reason_status;
    /* of commands */
    unsigned ok;
    unsigned timeout;
    unsigned unavailable;
    unsigned out_of_order;
    long long last;
    char text[MU_ERROR_TEXT]; /* the last reply or error */
};

static const char *const extra[] = {"--user", "alice", "on", ">sesame", "~*", "&*", "+@all", NULL};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mt_stage_up(&f->stage, MT_SERVER_DURABLE, extra);
    *state = f;
    return 0;
}

static void on_closed(void *context) {
    struct fixture *f = context;
    f->closed++;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->link) {
        mu_link_close(&f->link, on_closed, f);
    }
    mt_stage_down(&f->stage);
    free(f);
    return 0;
}

static void on_down(void *context, const struct mu_error *reason) {
    struct fixture *f = context;
    f->downs++;
    f->reason_status = reason->status;
    snprintf(f->reason, sizeof f->reason, "%s", reason->text);
}

static void count_connected(void *context) {
    struct fixture *f = context;
    f->connected++;
}

static void connect_with(struct fixture *f, const char *url, struct mu_link_options options) {
    struct mu_redis_address address;
    struct mu_error error;
    if (mu_redis_address_parse(url, &address, &error) != MUSTER_OK) {
        fail_msg("%s", error.text);
    }
    options.address = &address;
    options.context = f;
    options.on_down = options.on_down ? options.on_down : on_down;
    f->link = mu_link_create(mt_loop_uv(f->stage.loop), &options);
    mu_redis_address_deinit(&address);
}

/* A link has no namespace: any command, any key. */
static const char *server_url(struct fixture *f) {
    return mt_server_url_for(f->stage.server, MT_ADMIN);
}

static void open_link(struct fixture *f) {
    connect_with(f, server_url(f), (struct mu_link_options){0});
    MT_SPIN(f->stage.loop, mu_link_is_open(f->link), "the link");
}

static void reply(void *context, enum muster_status status, const redisReply *answer,
                  const struct mu_error *error) {
    struct fixture *f = context;
    f->ok += status == MUSTER_OK;
    f->timeout += status == MUSTER_TIMEOUT;
    f->unavailable += status == MUSTER_UNAVAILABLE;
    assert_true((status == MUSTER_OK) == (answer != NULL));
    assert_true((status == MUSTER_OK) == (error == NULL));
    assert_true(error == NULL || error->status == status);
    snprintf(f->text, sizeof f->text, "%s", error ? error->text : answer->str ? answer->str : "");
    if (answer && answer->type == REDIS_REPLY_INTEGER) {
        f->out_of_order += answer->integer != f->last + 1;
        f->last = answer->integer;
    }
}

#define WORDS(...)                                                                                 \
    sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]) {                \
        __VA_ARGS__                                                                                \
    }
#define SEND(f, ...)                                                                               \
    assert_int_equal(mu_link_command((f)->link, WORDS(__VA_ARGS__), NULL, reply, (f)), MUSTER_OK)

/* ---- commands ---- */

static void test_replies_come_in_the_order_of_the_commands(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){0});
    for (int i = 0; i < RING; i++) {
        SEND(f, "INCR", "n");
    }
    assert_int_equal(f->ok, 0); /* never from inside */
    MT_SPIN(f->stage.loop, f->ok == RING, "all replies");
    assert_int_equal(f->out_of_order, 0);
    assert_int_equal(f->last, RING);
    assert_string_equal(mt_text(f->stage.redis, "GET n"), "10000");
}

static void test_a_turn_of_commands_is_one_read_for_redis(void **state) {
    struct fixture *f = *state;
    open_link(f);
    long long before = mt_info(f->stage.redis, "stats", "total_reads_processed");
    for (int i = 0; i < 100; i++) {
        SEND(f, "INCR", "n");
    }
    struct mu_link_counts counts;
    mu_link_counts(f->link, &counts); /* Redis, which was idle, has some of them already */
    assert_true(counts.awaiting > 0 && counts.queued > counts.awaiting && f->ok == 0);
    MT_SPIN(f->stage.loop, f->ok == 100, "all replies");
    assert_in_range(mt_info(f->stage.redis, "stats", "total_reads_processed") - before, 1, 10);
}

static void chain(void *context, enum muster_status status, const redisReply *answer,
                  const struct mu_error *error) {
    struct fixture *f = context;
    reply(context, status, answer, error);
    if (f->last < 100) {
        assert_int_equal(mu_link_command(f->link, WORDS("INCR", "n"), NULL, chain, f), MUSTER_OK);
    }
}

static void test_commands_from_inside_callbacks(void **state) {
    struct fixture *f = *state;
    open_link(f);
    assert_int_equal(mu_link_command(f->link, WORDS("INCR", "n"), NULL, chain, f), MUSTER_OK);
    MT_SPIN(f->stage.loop, f->last == 100, "a chain of commands");
    assert_int_equal(f->ok, 100);
}

static void test_arguments_of_any_bytes(void **state) {
    struct fixture *f = *state;
    size_t size = 3 << 20;
    char *large = malloc(size);
    assert_non_null(large);
    memset(large, '\0', size);
    open_link(f);
    const char *arguments[] = {"SET", "large", large};
    size_t lengths[] = {3, 5, size};
    assert_int_equal(mu_link_command(f->link, 3, arguments, lengths, reply, f), MUSTER_OK);
    SEND(f, "STRLEN", "large");
    SEND(f, "SET", "after", "1");
    free(large); /* it was copied */
    MT_SPIN(f->stage.loop, f->ok == 3, "the replies");
    assert_int_equal(f->last, (long long)size);
}

static void test_an_error_reply_is_a_reply(void **state) {
    struct fixture *f = *state;
    open_link(f);
    SEND(f, "NOSUCHCOMMAND");
    MT_SPIN(f->stage.loop, f->ok == 1, "the reply");
    assert_non_null(strstr(f->text, "unknown command"));
    assert_int_equal(mu_link_command(f->link, WORDS("SET", "k", "v"), NULL, NULL, NULL), MUSTER_OK);
    MT_SPIN(f->stage.loop, mt_integer(f->stage.redis, "EXISTS k") == 1,
            "a command that nobody waits for");
}

static void test_bounds_of_the_queue(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f),
                 (struct mu_link_options){.queue_commands = 3, .queue_bytes = 1300});
    char large[600];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    SEND(f, "SET", "a", large);
    assert_int_equal(mu_link_command(f->link, WORDS("SET", "b", large), NULL, reply, f),
                     MUSTER_OVERLOADED); /* bytes */
    SEND(f, "SET", "c", "x");
    SEND(f, "SET", "d", "x");
    assert_int_equal(mu_link_command(f->link, WORDS("PING"), NULL, reply, f),
                     MUSTER_OVERLOADED); /* count */
    MT_SPIN(f->stage.loop, f->ok == 3, "those that were taken");
    SEND(f, "SET", "b", large); /* there is room again */
    MT_SPIN(f->stage.loop, f->ok == 4, "one more");
    assert_int_equal(mt_integer(f->stage.redis, "DBSIZE"), 4);
    assert_int_equal(f->timeout + f->unavailable, 0);
}

/* ---- reaching it ---- */

static void expect_open(struct fixture *f, const char *url) {
    connect_with(f, url, (struct mu_link_options){.client_name = "musterd:me"});
    MT_SPIN(f->stage.loop, mu_link_is_open(f->link) || f->downs > 0, url);
    assert_string_equal(f->reason, "");
    SEND(f, "CLIENT", "INFO");
    MT_SPIN(f->stage.loop, f->ok == 1, "the reply");
    assert_non_null(strstr(f->text, " name=musterd:me "));
}

static void expect_down(struct fixture *f, const char *url, enum muster_status status,
                        const char *sentence) {
    connect_with(f, url, (struct mu_link_options){0});
    MT_SPIN(f->stage.loop, f->downs >= 2, "two attempts");
    assert_false(mu_link_is_open(f->link));
    assert_int_equal(f->reason_status, status);
    assert_non_null(strstr(f->reason, sentence));
    assert_null(strstr(f->reason, "open-"));
}

/* Makes the server listen on a port of its choice and gives it. */
static int listen_on_tcp(struct fixture *f, const char *bind) {
    for (int tries = 0; tries < 100; tries++) {
        int port = mt_free_port();
        mt_command(f->stage.redis, "CONFIG SET bind %s", bind);
        redisReply *answer = mt_try_command(f->stage.redis, "CONFIG SET port %d", port);
        if (answer && answer->type == REDIS_REPLY_STATUS) {
            return port;
        }
    }
    fail_msg("no port");
    return 0;
}

static void test_over_tcp(void **state) {
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", listen_on_tcp(f, "127.0.0.1"));
    expect_open(f, url);
}

/* The server listens on one of the two addresses that localhost usually has. */
static void test_by_name(void **state) {
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof url, "redis://localhost:%d", listen_on_tcp(f, "127.0.0.1"));
    expect_open(f, url);
}

static void test_a_name_that_does_not_resolve(void **state) {
    struct fixture *f = *state;
    expect_down(f, "redis://no-such-host.invalid:6379", MUSTER_UNAVAILABLE,
                "redis at no-such-host.invalid:6379: the name ");
}

static void test_refused(void **state) {
    struct fixture *f = *state;
    char url[128], sentence[128];
    int port = mt_free_port();
    snprintf(url, sizeof url, "redis://:open-sesame@127.0.0.1:%d", port);
    snprintf(sentence, sizeof sentence, "redis at 127.0.0.1:%d: connection refused", port);
    expect_down(f, url, MUSTER_UNAVAILABLE, sentence);
}

static void test_no_socket(void **state) {
    struct fixture *f = *state;
    char url[256];
    snprintf(url, sizeof url, "unix://%s/none", mt_world_dir(f->stage.world));
    expect_down(f, url, MUSTER_UNAVAILABLE, "/none: no such file or directory");
}

static void unix_url(struct fixture *f, char *out, size_t size, const char *login,
                     const char *after) {
    snprintf(out, size, "unix://%s@%s%s", login, mt_server_socket(f->stage.server), after);
}

static void test_log_in_with_user_and_database(void **state) {
    struct fixture *f = *state;
    char url[256];
    unix_url(f, url, sizeof url, "alice:sesame", "?db=3");
    expect_open(f, url);
    assert_non_null(strstr(f->text, " db=3 "));
    SEND(f, "ACL", "WHOAMI");
    MT_SPIN(f->stage.loop, f->ok == 2, "the reply");
    assert_string_equal(f->text, "alice");
}

static void test_log_in_with_a_password_alone(void **state) {
    struct fixture *f = *state;
    char url[256];
    mt_command(f->stage.redis, "CONFIG SET requirepass sesame");
    unix_url(f, url, sizeof url, ":sesame", "");
    expect_open(f, url);
}

static void test_wrong_password(void **state) {
    struct fixture *f = *state;
    char url[256];
    unix_url(f, url, sizeof url, "alice:open-sesame", "");
    expect_down(f, url, MUSTER_UNAUTHENTICATED, "the log-in is refused: WRONGPASS");
}

static void test_a_password_is_needed(void **state) {
    struct fixture *f = *state;
    mt_command(f->stage.redis, "CONFIG SET requirepass sesame");
    expect_down(f, server_url(f), MUSTER_UNAUTHENTICATED, "a password is needed");
}

static void test_no_such_database(void **state) {
    struct fixture *f = *state;
    char url[256];
    unix_url(f, url, sizeof url, "alice:sesame", "?db=99");
    expect_down(f, url, MUSTER_UNAVAILABLE, "the database cannot be selected");
}

/* ---- loss ---- */

static void test_reconnects_after_the_server_was_killed(void **state) {
    struct fixture *f = *state;
    open_link(f);
    SEND(f, "SET", "k", "before");
    MT_SPIN(f->stage.loop, f->ok == 1, "a reply");
    mt_server_kill(f->stage.server);
    MT_SPIN(f->stage.loop, f->downs >= 1, "the loss");
    assert_false(mu_link_is_open(f->link));
    assert_int_equal(mu_link_command_now(f->link, WORDS("PING"), NULL, reply, f),
                     MUSTER_UNAVAILABLE);
    SEND(f, "APPEND", "k", "-after"); /* waits for the next connection */
    mt_server_restart(f->stage.server);
    MT_SPIN(f->stage.loop, f->ok == 2, "the command that waited");
    assert_int_equal(mu_link_connections(f->link), 2);
    SEND(f, "GET", "k");
    MT_SPIN(f->stage.loop, f->ok == 3, "a reply");
    assert_string_equal(f->text, "before-after");
    assert_int_equal(f->timeout + f->unavailable, 0);
}

static void test_written_commands_end_with_timeout(void **state) {
    struct fixture *f = *state;
    open_link(f);
    SEND(f, "BLPOP", "never", "0");
    SEND(f, "INCR", "n");
    MT_SPIN(f->stage.loop, mt_info(f->stage.redis, "clients", "blocked_clients") == 1,
            "the blocking command");
    mt_server_kill(f->stage.server);
    MT_SPIN(f->stage.loop, f->timeout == 2, "their end");
    assert_int_equal(f->downs, 1);
    assert_int_equal(f->unavailable + f->ok, 0);
    assert_int_equal(strncmp(f->text, "redis at ", 9), 0);
}

static void test_an_unanswered_command_ends_the_connection(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){.command_timeout_ms = 200});
    SEND(f, "BLPOP", "never", "0");
    MT_SPIN(f->stage.loop, f->timeout == 1, "its end");
    assert_non_null(strstr(f->reason, "no reply in 200 ms"));
    MT_SPIN(f->stage.loop, mu_link_connections(f->link) == 2, "another connection");
}

static void test_unwritten_commands_end_with_unavailable(void **state) {
    struct fixture *f = *state;
    mt_server_kill(f->stage.server);
    connect_with(f, server_url(f), (struct mu_link_options){.command_timeout_ms = 200});
    SEND(f, "INCR", "n");
    SEND(f, "INCR", "n");
    MT_SPIN(f->stage.loop, f->unavailable == 2, "their end");
    assert_int_equal(f->timeout + f->ok, 0);
    mt_server_restart(f->stage.server);
    MT_SPIN(f->stage.loop, mu_link_is_open(f->link), "the link");
    mt_redis_close(&f->stage.redis);
    f->stage.redis = mt_server_connect(f->stage.server);
    assert_int_equal(mt_integer(f->stage.redis, "EXISTS n"), 0);
}

static void test_another_address_from_the_next_connection_on(void **state) {
    struct fixture *f = *state;
    struct mt_server *other = mt_server_start(f->stage.world, "other", MT_SERVER_VOLATILE, NULL);
    open_link(f);
    struct mu_redis_address address;
    assert_int_equal(mu_redis_address_parse(mt_server_url_for(other, MT_ADMIN), &address, NULL),
                     MUSTER_OK);
    mu_link_set_address(f->link, &address);
    mu_redis_address_deinit(&address);
    SEND(f, "SET", "k", "first");
    MT_SPIN(f->stage.loop, f->ok == 1, "a reply");
    mt_server_kill(f->stage.server);
    SEND(f, "SET", "k", "second");
    MT_SPIN(f->stage.loop, f->ok + f->timeout == 2 && mu_link_is_open(f->link), "the other server");
    SEND(f, "CONFIG", "GET", "unixsocket");
    MT_SPIN(f->stage.loop, f->ok + f->timeout == 3, "a reply");
    struct mt_redis *redis = mt_server_connect(other);
    assert_non_null(strstr(mt_text(redis, "CLIENT LIST"), "cmd=config"));
    mt_redis_close(&redis);
    mt_server_free(&other);
}

/* ---- preparation ---- */

static void test_nothing_flows_before_it_is_opened(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){.on_connected = count_connected});
    assert_int_equal(mu_link_prepare_command(f->link, WORDS("PING"), NULL, reply, f),
                     MUSTER_UNAVAILABLE);
    SEND(f, "GET", "k");
    MT_SPIN(f->stage.loop, f->connected == 1, "the connection");
    assert_false(mu_link_is_open(f->link));
    assert_int_equal(mu_link_command_now(f->link, WORDS("PING"), NULL, reply, f),
                     MUSTER_UNAVAILABLE);
    assert_int_equal(
        mu_link_prepare_command(f->link, WORDS("SET", "k", "prepared"), NULL, reply, f), MUSTER_OK);
    MT_SPIN(f->stage.loop, f->ok == 1, "the preparation");
    assert_string_equal(f->text, "OK");
    for (int turns = 0; turns < 10; turns++) {
        uv_run(mt_loop_uv(f->stage.loop), UV_RUN_NOWAIT);
    }
    assert_int_equal(f->ok, 1);
    mu_link_open(f->link);
    assert_true(mu_link_is_open(f->link));
    MT_SPIN(f->stage.loop, f->ok == 2, "the command that waited");
    assert_string_equal(f->text, "prepared");
}

static void reject(void *context) {
    struct fixture *f = context;
    f->connected++;
    if (f->connected == 1) {
        assert_int_equal(mu_link_prepare_command(f->link, WORDS("SET", "k", "v"), NULL, reply, f),
                         MUSTER_OK);
        mu_link_reject(f->link, "not this one");
        assert_int_equal(f->downs, 0); /* never from inside */
        mu_link_open(f->link);         /* of no effect any more */
        assert_false(mu_link_is_open(f->link));
    } else {
        mu_link_open(f->link);
    }
}

static void test_a_rejected_connection(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){.on_connected = reject});
    MT_SPIN(f->stage.loop, mu_link_is_open(f->link), "the second connection");
    assert_int_equal(f->connected, 2);
    assert_int_equal(f->downs, 1);
    assert_non_null(strstr(f->reason, "not this one"));
    assert_int_equal(f->unavailable, 1); /* it was never written */
}

static void test_commands_that_do_not_wait(void **state) {
    struct fixture *f = *state;
    open_link(f);
    SEND(f, "INCR", "n");
    assert_int_equal(mu_link_command_now(f->link, WORDS("INCR", "n"), NULL, reply, f), MUSTER_OK);
    mu_link_reject(f->link, "goes down before it is written");
    MT_SPIN(f->stage.loop, mu_link_connections(f->link) == 2 && f->ok == 1, "the one that waits");
    assert_int_equal(f->unavailable, 1);
    assert_string_equal(mt_text(f->stage.redis, "GET n"), "1");
}

/* ---- the end ---- */

static void close_it(void *context, enum muster_status status, const redisReply *answer,
                     const struct mu_error *error) {
    struct fixture *f = context;
    reply(context, status, answer, error);
    assert_int_equal(f->closed, 0);
    if (f->link) {
        struct mu_link *link = f->link;
        mu_link_close(&f->link, on_closed, f);
        assert_null(f->link);
        assert_int_equal(mu_link_command(link, WORDS("PING"), NULL, reply, f), MUSTER_UNAVAILABLE);
        assert_false(mu_link_is_open(link));
    }
}

static void test_closing_inside_a_reply(void **state) {
    struct fixture *f = *state;
    open_link(f);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mu_link_command(f->link, WORDS("PING"), NULL, close_it, f), MUSTER_OK);
    }
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
    assert_int_equal(f->ok + f->timeout, 1000); /* all before `closed` */
    assert_true(f->ok >= 1);
    assert_int_equal(f->downs, 0);
}

static void test_closing_inside_a_timeout(void **state) {
    struct fixture *f = *state;
    open_link(f);
    assert_int_equal(mu_link_command(f->link, WORDS("BLPOP", "x", "0"), NULL, close_it, f),
                     MUSTER_OK);
    assert_int_equal(mu_link_command(f->link, WORDS("PING"), NULL, close_it, f), MUSTER_OK);
    MT_SPIN(f->stage.loop, mt_info(f->stage.redis, "clients", "blocked_clients") == 1,
            "the blocking command");
    mt_server_kill(f->stage.server);
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
    assert_int_equal(f->timeout, 2);
}

static void close_on_connected(void *context) {
    struct fixture *f = context;
    mu_link_close(&f->link, on_closed, f);
}

static void test_closing_inside_on_connected(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){.on_connected = close_on_connected});
    SEND(f, "PING");
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
    assert_int_equal(f->unavailable, 1);
}

static void close_on_down(void *context, const struct mu_error *reason) {
    struct fixture *f = context;
    on_down(context, reason);
    mu_link_close(&f->link, on_closed, f);
}

static void test_closing_inside_on_down(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){.on_down = close_on_down});
    MT_SPIN(f->stage.loop, mu_link_is_open(f->link), "the link");
    SEND(f, "BLPOP", "x", "0");
    MT_SPIN(f->stage.loop, mt_info(f->stage.redis, "clients", "blocked_clients") == 1,
            "the blocking command");
    SEND(f, "PING");
    mt_server_kill(f->stage.server);
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
    assert_int_equal(f->downs, 1);
    assert_int_equal(f->ok + f->timeout + f->unavailable, 2);
}

static void test_closing_before_the_loop_ran(void **state) {
    struct fixture *f = *state;
    connect_with(f, server_url(f), (struct mu_link_options){0});
    SEND(f, "PING");
    mu_link_close(&f->link, on_closed, f);
    assert_int_equal(f->unavailable, 0); /* never from inside */
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
    assert_int_equal(f->unavailable, 1);
}

static void test_closing_while_a_name_is_resolved(void **state) {
    struct fixture *f = *state;
    connect_with(f, "redis://no-such-host.invalid", (struct mu_link_options){0});
    uv_run(mt_loop_uv(f->stage.loop), UV_RUN_NOWAIT);
    mu_link_close(&f->link, on_closed, f);
    MT_SPIN(f->stage.loop, f->closed == 1, "the end");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_replies_come_in_the_order_of_the_commands),
        TEST(test_a_turn_of_commands_is_one_read_for_redis),
        TEST(test_commands_from_inside_callbacks),
        TEST(test_arguments_of_any_bytes),
        TEST(test_an_error_reply_is_a_reply),
        TEST(test_bounds_of_the_queue),
        TEST(test_over_tcp),
        TEST(test_by_name),
        TEST(test_a_name_that_does_not_resolve),
        TEST(test_refused),
        TEST(test_no_socket),
        TEST(test_log_in_with_user_and_database),
        TEST(test_log_in_with_a_password_alone),
        TEST(test_wrong_password),
        TEST(test_a_password_is_needed),
        TEST(test_no_such_database),
        TEST(test_reconnects_after_the_server_was_killed),
        TEST(test_written_commands_end_with_timeout),
        TEST(test_an_unanswered_command_ends_the_connection),
        TEST(test_unwritten_commands_end_with_unavailable),
        TEST(test_another_address_from_the_next_connection_on),
        TEST(test_nothing_flows_before_it_is_opened),
        TEST(test_a_rejected_connection),
        TEST(test_commands_that_do_not_wait),
        TEST(test_closing_inside_a_reply),
        TEST(test_closing_inside_a_timeout),
        TEST(test_closing_inside_on_connected),
        TEST(test_closing_inside_on_down),
        TEST(test_closing_before_the_loop_ran),
        TEST(test_closing_while_a_name_is_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
