/* Links to a real Redis over TLS: what must work, what must be refused, with which sentence. The
 * programs over TLS are in test_redis_tls_programs.c. */
#include "lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "lib/loop.h"
#include "lib/server.h"
#include "redis/link.h"
#include "redis/subscriber.h"
#include "redis/tls.h"

enum { MANY = 100000, LARGE = 8 << 20 };

/* One set of servers for all tests. */
struct servers {
    struct mt_world *world;
    struct mt_server *open;    /* for 127.0.0.1 and localhost */
    struct mt_server *clients; /* the same, and demands a client's certificate */
    struct mt_server *named;   /* for redis.example only */
    struct mt_server *expired;
};

struct fixture {
    struct servers *servers;
    struct mt_world *world;
    struct mt_loop *loop;
    struct mt_peer *peer;
    struct mu_link *link;
    struct mu_subscriber *subscriber;
    unsigned downs;
    char reason[MU_ERROR_TEXT];
    unsigned ups;
    unsigned messages;
    unsigned ok;
    unsigned failed;
    long long last;
    unsigned out_of_order;
    size_t length; /* of the last text */
};

static struct servers *all; /* cmocka hands no group state to tests that have their own */

static const char *const users[] = {"--user", "alice", "on", ">sesame", "~*", "&*", "+@all", NULL};

static struct mt_server *start(const char *name, const char *certificate, bool clients) {
    return mt_server_start_tls(
        all->world, name, MT_SERVER_VOLATILE, users,
        &(struct mt_server_tls){.certificate = certificate, .clients = clients});
}

static int start_all(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    all = calloc(1, sizeof *all);
    assert_non_null(all);
    all->world = mt_world_create();
    all->open = start("open", NULL, false);
    all->clients = start("clients", NULL, true);
    all->named = start("named", "named", false);
    all->expired = start("expired", "expired", false);
    return 0;
}

static int end_all(void **state) {
    (void)state;
    mt_server_free(&all->open);
    mt_server_free(&all->clients);
    mt_server_free(&all->named);
    mt_server_free(&all->expired);
    mt_world_destroy(&all->world);
    free(all);
    return 0;
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->servers = all;
    f->world = all->world;
    f->loop = mt_loop_create(f->world);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    mu_link_close(&f->link, NULL, NULL);
    mu_subscriber_close(&f->subscriber, NULL, NULL);
    mt_peer_close(&f->peer);
    mt_loop_destroy(&f->loop);
    free(f);
    return 0;
}

/* ---- links ---- */

static void on_down(void *context, const struct mu_error *reason) {
    struct fixture *f = context;
    f->downs++;
    snprintf(f->reason, sizeof f->reason, "%s", reason->text);
}

static void on_up(void *context) {
    struct fixture *f = context;
    f->ups++;
}

static void on_message(void *context, const char *pattern, const char *channel, const char *payload,
                       size_t length) {
    struct fixture *f = context;
    (void)pattern;
    f->messages += strcmp(channel, "a") == 0 && length == 5 && memcmp(payload, "hello", 5) == 0;
}

static void on_reply(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct fixture *f = context;
    (void)error;
    f->ok += status == MUSTER_OK && reply->type != REDIS_REPLY_ERROR;
    f->failed += status != MUSTER_OK || reply->type == REDIS_REPLY_ERROR;
    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        f->out_of_order += reply->integer != f->last + 1;
        f->last = reply->integer;
    }
    f->length = reply ? (size_t)reply->len : 0;
}

static const char *file(const char *name) {
    return mt_server_tls_file(all->open, name);
}

static struct mu_redis_address address_of(const char *url, struct mu_redis_tls_options tls) {
    struct mu_redis_address address;
    struct mu_error error = {.text = ""};
    if (mu_redis_address_parse(url, &address, &error) != MUSTER_OK ||
        mu_redis_address_set_tls(&address, &tls, &error) != MUSTER_OK) {
        fail_msg("%s", error.text);
    }
    return address;
}

static void connect_to(struct fixture *f, const char *url, struct mu_redis_tls_options tls) {
    struct mu_redis_address address = address_of(url, tls);
    struct mu_link_options options = {
        .address = &address,
        .client_name = "test",
        .retry_max_ms = 100,
        .queue_commands = MANY + 16,
        .connect_timeout_ms = 60000,
        .command_timeout_ms = 60000,
        .context = f,
        .on_down = on_down,
    };
    f->link = mu_link_create(mt_loop_uv(f->loop), &options);
    mu_redis_address_deinit(&address);
}

static void connect_to_server(struct fixture *f, const struct mt_server *server,
                              struct mu_redis_tls_options tls) {
    connect_to(f, mt_server_tls_url(server), tls);
}

static void expect_open(struct fixture *f) {
    MT_SPIN(f->loop, mu_link_is_open(f->link) || f->downs > 0, "the link, or its failure");
    if (!mu_link_is_open(f->link)) {
        fail_msg("%s", f->reason);
    }
}

static void expect_down(struct fixture *f, const char *sentence) {
    MT_SPIN(f->loop, f->downs > 0, "the failure");
    if (!strstr(f->reason, sentence)) {
        fail_msg("'%s' instead of '%s'", f->reason, sentence);
    }
    assert_int_equal(strncmp(f->reason, "redis at ", 9), 0);
    assert_int_equal(mu_link_connections(f->link), 0);
}

static void send_words(struct fixture *f, size_t count, const char *const *words,
                       const size_t *lengths) {
    assert_int_equal(mu_link_command(f->link, count, words, lengths, on_reply, f), MUSTER_OK);
}

/* ---- what must work ---- */

static void test_many_commands_go_in_batches(void **state) {
    struct fixture *f = *state;
    struct mt_redis *redis = mt_server_connect(all->open);
    connect_to_server(f, all->open, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_open(f);
    long long reads = mt_info(redis, "stats", "total_reads_processed");
    for (int i = 0; i < MANY; i++) {
        send_words(f, 2, (const char *const[]){"INCR", "n"}, NULL);
    }
    MT_SPIN(f->loop, f->ok + f->failed == MANY, "all replies");
    assert_int_equal(f->failed, 0);
    assert_int_equal(f->out_of_order, 0);
    /* One command a record would be as many reads as commands. */
    assert_in_range(mt_info(redis, "stats", "total_reads_processed") - reads, 1, MANY / 50);
    mt_redis_close(&redis);
}

static void test_large_values_go_through(void **state) {
    struct fixture *f = *state;
    char *value = malloc(LARGE);
    assert_non_null(value);
    for (size_t i = 0; i < LARGE; i++) {
        value[i] = (char)(i * 31 + i / 977);
    }
    connect_to_server(f, all->open, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    const char *const set[] = {"SET", "large", value};
    send_words(f, 3, set, (const size_t[]){3, 5, LARGE});
    send_words(f, 2, (const char *const[]){"GET", "large"}, NULL);
    MT_SPIN(f->loop, f->ok == 2, "both replies");
    assert_int_equal(f->length, LARGE);
    struct mt_redis *redis = mt_server_connect(all->open);
    redisReply *reply = mt_command(redis, "GET large");
    assert_int_equal(reply->len, LARGE);
    assert_memory_equal(reply->str, value, LARGE);
    mt_command(redis, "DEL large");
    mt_redis_close(&redis);
    free(value);
}

static void test_subscriber(void **state) {
    struct fixture *f = *state;
    struct mu_redis_address address = address_of(
        mt_server_tls_url(all->open), (struct mu_redis_tls_options){.ca = file("ca.pem")});
    struct mu_subscriber_options options = {
        .address = &address,
        .idle_timeout_ms = 20, /* so that it pings, too */
        .context = f,
        .on_message = on_message,
        .on_up = on_up,
        .on_down = on_down,
    };
    struct mt_redis *redis = mt_server_connect(all->open);
    f->subscriber = mu_subscriber_create(mt_loop_uv(f->loop), &options);
    mu_redis_address_deinit(&address);
    mu_subscriber_subscribe(f->subscriber, "a");
    mu_subscriber_may_wait(f->subscriber, "a");
    MT_SPIN(f->loop, f->ups == 1, "the subscription");
    long long pings = mt_info(redis, "stats", "total_reads_processed");
    MT_SPIN(f->loop, mt_info(redis, "stats", "total_reads_processed") > pings + 20, "some PINGs");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mt_integer(redis, "PUBLISH a hello"), 1);
    }
    MT_SPIN(f->loop, f->messages == 1000, "the messages");
    /* Cut off, it comes back. */
    mt_command(redis, "CLIENT KILL TYPE pubsub");
    MT_SPIN(f->loop, f->ups == 2, "the subscription again");
    assert_int_equal(f->downs, 1);
    assert_int_equal(mt_integer(redis, "PUBLISH a hello"), 1);
    MT_SPIN(f->loop, f->messages == 1001, "one more message");
    mt_redis_close(&redis);
}

static void test_log_in(void **state) {
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof url, "rediss://alice:sesame@127.0.0.1:%d/5",
             mt_server_tls_port(all->open));
    connect_to(f, url, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_open(f);
    mu_link_close(&f->link, NULL, NULL);
    snprintf(url, sizeof url, "rediss://alice:hunter2@127.0.0.1:%d/5",
             mt_server_tls_port(all->open));
    connect_to(f, url, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_down(f, "the log-in is refused: WRONGPASS");
    assert_null(strstr(f->reason, "hunter2"));
}

static void test_a_server_that_dies_and_comes_back(void **state) {
    struct fixture *f = *state;
    connect_to_server(f, all->open, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_open(f);
    mt_server_kill(all->open);
    MT_SPIN(f->loop, f->downs > 0, "the loss");
    mt_server_restart(all->open);
    MT_SPIN(f->loop, mu_link_is_open(f->link), "the link again");
    assert_int_equal(mu_link_connections(f->link), 2);
}

/* ---- whom we trust ---- */

static void test_unknown_ca(void **state) {
    struct fixture *f = *state;
    connect_to_server(f, all->open, (struct mu_redis_tls_options){.ca = file("stranger.pem")});
    expect_down(f, "is signed by nobody that ");
    assert_non_null(strstr(f->reason, "stranger.pem trusts"));
}

static void test_the_store_of_the_system(void **state) {
    struct fixture *f = *state;
    /* What the environment says is the store to OpenSSL. */
    setenv("SSL_CERT_DIR", mt_world_dir(f->world), 1);
    setenv("SSL_CERT_FILE", file("stranger.pem"), 1);
    connect_to_server(f, all->open, (struct mu_redis_tls_options){0});
    expect_down(f, "is signed by nobody that the system's store trusts");
    mu_link_close(&f->link, NULL, NULL);
    f->downs = 0;
    setenv("SSL_CERT_FILE", file("ca.pem"), 1);
    connect_to_server(f, all->open, (struct mu_redis_tls_options){0});
    expect_open(f);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

static void test_expired(void **state) {
    struct fixture *f = *state;
    connect_to_server(f, all->expired, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_down(f, "has expired; renew it");
}

static void test_names(void **state) {
    struct fixture *f = *state;
    char url[64];
    snprintf(url, sizeof url, "rediss://localhost:%d", mt_server_tls_port(all->open));
    connect_to(f, url, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_open(f);
    mu_link_close(&f->link, NULL, NULL);
    connect_to_server(
        f, all->open,
        (struct mu_redis_tls_options){.ca = file("ca.pem"), .server_name = "else.example"});
    expect_down(f, "is not for else.example, but for 127.0.0.1, localhost;");
    mu_link_close(&f->link, NULL, NULL);
    f->downs = 0;
    connect_to_server(
        f, all->open,
        (struct mu_redis_tls_options){.ca = file("ca.pem"), .server_name = "127.0.0.2"});
    expect_down(f, "is not for 127.0.0.2, but for");
}

static void test_another_name(void **state) {
    struct fixture *f = *state;
    connect_to_server(f, all->named, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    expect_down(f, "is not for 127.0.0.1, but for redis.example; connect to that name");
    mu_link_close(&f->link, NULL, NULL);
    f->downs = 0;
    connect_to_server(
        f, all->named,
        (struct mu_redis_tls_options){.ca = file("ca.pem"), .server_name = "redis.example"});
    expect_open(f);
}

/* ---- who we are ---- */

static void test_a_client_certificate_is_demanded(void **state) {
    struct fixture *f = *state;
    struct mu_redis_tls_options tls = {.ca = file("ca.pem")};
    connect_to_server(f, all->clients, tls);
    expect_down(f, "demands a client's certificate: give one with redis.tls.certificate");
    mu_link_close(&f->link, NULL, NULL);
    f->downs = 0;
    tls.certificate = file("client.pem");
    tls.key = file("client.key");
    connect_to_server(f, all->clients, tls);
    expect_open(f);
    mu_link_close(&f->link, NULL, NULL);
    tls.certificate = file("stranger.pem");
    tls.key = file("stranger.key");
    connect_to_server(f, all->clients, tls);
    expect_down(f, "refuses our certificate");
}

static void copy_file(const char *from, const char *to) {
    char bytes[16384];
    char temporary[256];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    snprintf(temporary, sizeof temporary, "%s.new", to);
    int out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    ssize_t length = read(in, bytes, sizeof bytes);
    assert_true(length > 0 && write(out, bytes, (size_t)length) == length);
    close(in);
    close(out);
    assert_int_equal(rename(temporary, to), 0);
}

static void test_renewed_files_count_on_the_next_connection(void **state) {
    struct fixture *f = *state;
    const char *ca = mt_world_path(f->world, "ca.pem");
    const char *certificate = mt_world_path(f->world, "mine.pem");
    const char *key = mt_world_path(f->world, "mine.key");
    copy_file(file("stranger.pem"), ca);
    copy_file(file("expired.pem"), certificate);
    copy_file(file("expired.key"), key);
    connect_to_server(
        f, all->clients,
        (struct mu_redis_tls_options){.ca = ca, .certificate = certificate, .key = key});
    expect_down(f, "is signed by nobody");
    copy_file(file("ca.pem"), ca);
    MT_SPIN(f->loop, strstr(f->reason, "refuses our certificate (") != NULL, "another reason");
    unlink(key);
    MT_SPIN(f->loop, strstr(f->reason, "mine.key: No such file") != NULL, "the missing key");
    copy_file(file("client.pem"), certificate);
    copy_file(file("client.key"), key);
    MT_SPIN(f->loop, mu_link_is_open(f->link), "the link");
    assert_int_equal(mu_link_connections(f->link), 1);
}

/* ---- peers that are none ---- */

static void meet_peer(struct fixture *f, struct mt_peer_script script) {
    char url[64];
    f->peer = mt_peer_create(f->loop, &script);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d", mt_peer_port(f->peer));
    struct mu_redis_address address =
        address_of(url, (struct mu_redis_tls_options){.ca = file("ca.pem")});
    struct mu_link_options options = {.address = &address,
                                      .connect_timeout_ms = 200,
                                      .retry_max_ms = 100,
                                      .context = f,
                                      .on_down = on_down};
    f->link = mu_link_create(mt_loop_uv(f->loop), &options);
    mu_redis_address_deinit(&address);
}

static void test_a_silent_peer_until_tls_comes(void **state) {
    struct fixture *f = *state;
    meet_peer(f, (struct mt_peer_script){0});
    int port = mt_peer_port(f->peer);
    expect_down(f, "no end of the handshake in 200 ms: does this port speak TLS?");
    MT_SPIN(f->loop, f->downs >= 3, "more attempts");
    mt_peer_close(&f->peer);
    MT_SPIN(f->loop, strstr(f->reason, "connection refused") != NULL, "nobody there");
    struct mt_server *late = mt_server_start_tls(f->world, "late", MT_SERVER_VOLATILE, NULL,
                                                 &(struct mt_server_tls){.port = port});
    /* 200 ms may be too short for a slow machine, again and again; not for ever. */
    MT_SPIN(f->loop, mu_link_is_open(f->link), "the link");
    mt_server_kill(late);
    mt_server_free(&late);
}

static void test_plain_text(void **state) {
    struct fixture *f = *state;
    meet_peer(f, (struct mt_peer_script){.greeting = "-ERR max number of clients reached\r\n"});
    expect_down(f, "the server answers in plain text: this port does not speak TLS");
}

static void test_nonsense_that_looks_like_tls(void **state) {
    struct fixture *f = *state;
    meet_peer(f, (struct mt_peer_script){.first = "\x16\x03\x03\x01\x01zzzzzzzzz\r\n+PONG\r\n",
                                         .flood = true});
    expect_down(f, "TLS: ");
}

static void test_a_peer_that_hangs_up(void **state) {
    struct fixture *f = *state;
    meet_peer(f, (struct mt_peer_script){.hang_up = true});
    expect_down(f, "within the handshake: does this port speak TLS?");
}

/* ---- files ---- */

static void expect_complaint(struct mu_redis_tls_options tls, const char *sentence) {
    struct mu_redis_address address = address_of("rediss://h", tls);
    struct mu_error error = {.text = "nothing was refused"};
    assert_int_equal(mu_tls_check(&address, &error), MUSTER_BAD_REQUEST);
    if (!strstr(error.text, sentence)) {
        fail_msg("'%s' instead of '%s'", error.text, sentence);
    }
    mu_redis_address_deinit(&address);
}

static void expect_key_complaint(const char *key, const char *sentence) {
    expect_complaint((struct mu_redis_tls_options){.certificate = file("client.pem"), .key = key},
                     sentence);
}

static void test_files(void **state) {
    (void)state;
    const char *wide = mt_world_path(all->world, "wide.key");
    const char *fifo = mt_world_path(all->world, "fifo");
    copy_file(file("client.key"), wide);
    assert_int_equal(chmod(wide, 0644), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    expect_complaint((struct mu_redis_tls_options){.ca = "/no/such/file"},
                     "TLS: the ca /no/such/file: No such file or directory");
    expect_complaint((struct mu_redis_tls_options){.ca = "/"}, "the ca /: is not a file");
    expect_complaint((struct mu_redis_tls_options){.ca = fifo}, "is not a file");
    expect_complaint((struct mu_redis_tls_options){.ca = file("client.key")},
                     "there is no certificate in it (PEM)");
    expect_complaint(
        (struct mu_redis_tls_options){.certificate = file("client.key"), .key = file("client.key")},
        "there is no certificate in it (PEM)");
    expect_key_complaint(file("client.pem"), "holds no key that can be read");
    expect_key_complaint(file("locked.key"), "holds no key that can be read without a passphrase");
    expect_key_complaint(file("server.key"), "server.key: does not fit the certificate");
    expect_key_complaint(wide, "wide.key: is open to everybody; chmod o= it");
    struct mu_redis_address address =
        address_of("rediss://h", (struct mu_redis_tls_options){.ca = file("ca.pem"),
                                                               .certificate = file("client.pem"),
                                                               .key = file("client.key")});
    assert_int_equal(mu_tls_check(&address, NULL), MUSTER_OK);
    mu_redis_address_deinit(&address);
    address = address_of("redis://h", (struct mu_redis_tls_options){0});
    assert_int_equal(mu_tls_check(&address, NULL), MUSTER_OK);
    mu_redis_address_deinit(&address);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_many_commands_go_in_batches),
        TEST(test_large_values_go_through),
        TEST(test_subscriber),
        TEST(test_log_in),
        TEST(test_a_server_that_dies_and_comes_back),
        TEST(test_unknown_ca),
        TEST(test_the_store_of_the_system),
        TEST(test_expired),
        TEST(test_names),
        TEST(test_another_name),
        TEST(test_a_client_certificate_is_demanded),
        TEST(test_renewed_files_count_on_the_next_connection),
        TEST(test_a_silent_peer_until_tls_comes),
        TEST(test_plain_text),
        TEST(test_nonsense_that_looks_like_tls),
        TEST(test_a_peer_that_hangs_up),
        TEST(test_files),
    };
    return cmocka_run_group_tests(tests, start_all, end_all);
}
