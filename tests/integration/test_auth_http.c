/* auth_http and a real service: what is asked, and that what it answers counts. */
#include "lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/auth_http/service.h"
#include "lib/memory.h"

#define TOO_LATE "did not answer in time"
#define HEADER_SECRET "header-secret-4711"
#define CREDENTIAL "credential-marker-4712"
#define TOKEN "token-marker-4713"

static struct mt_service service;

static const char *denied(enum muster_status status, const char *session) {
    return mt_turned_down(service.stand, service.client, status, "ENTER", session, "c1", "node-1",
                          "k1");
}

static void expect_denied(enum muster_status status, const char *session, const char *reason) {
    const char *message = denied(status, session);
    if (strstr(message, reason) == NULL)
        mt_fail(service.stand->world, "%s: '%s' does not say '%s'", session, message, reason);
}

static void enter(const char *session) {
    mt_ask(service.stand, service.client, "ENTER", session, "c1", "node-1", "k1");
}

/* Nothing of a denied session is in Redis. */
static void expect_no_session(const char *session) {
    mt_turned_down(service.stand, service.client, MUSTER_UNKNOWN_SESSION, "SESSION", session);
    assert_int_equal(mt_integer(service.stand->redis, "EXISTS " MT_NS "session:%s", session), 0);
}

static void test_answers(void **state) {
    (void)state;
    mt_service_daemon(&service, mt_service_usual(&service, ", authorization: '" HEADER_SECRET "'"));
    enter("allow-1");
    mt_expect(mt_service_last(&service),
              "{'path':'/authorize','connection':'#int','type':'application/json',"
              "'authorization':'" HEADER_SECRET "','question':{'question':'authorize',"
              "'principal':{'id':'anonymous','kind':'anonymous','roles':[]},"
              "'action':'session.enter','operation':'ENTER','resource':{'session':'allow-1',"
              "'connection':'c1','instance':'node-1','incarnation':'k1'}}}");
    enter("defer-1"); /* falls to authorization.default, which is allow here */
    expect_denied(MUSTER_DENIED, "no-1", "not for you");
    expect_no_session("no-1");
    expect_denied(MUSTER_RATE_LIMITED, "limited-1", "slowly");
    expect_denied(MUSTER_UNAUTHENTICATED, "unknown-1", "who?");
    /* One connection served them all. */
    assert_int_equal(mt_int(mt_service_last(&service), "connection"), 1);
    mt_stand_stop(service.stand, service.daemon);
    assert_int_equal(mt_service_total(&service, "requests"), 5);
    assert_int_equal(mt_service_total(&service, "allowed"), 1);
    assert_int_equal(mt_service_total(&service, "denied"), 3);
    assert_int_equal(mt_service_total(&service, "deferred"), 1);
    mt_service_never_logged(&service, HEADER_SECRET);
}

/* An answer with a ttl is not asked for again, for as long as cache_max allows. */
static void test_cached(void **state) {
    (void)state;
    mt_service_daemon(&service, mt_service_usual(&service, ""));
    for (int i = 0; i < 3; i++) {
        enter("cached-1");
        expect_denied(MUSTER_DENIED, "nocached-1", "not for you");
        enter("allow-1");
    }
    assert_int_equal(mt_service_asked(&service, "cached-1"), 1);
    assert_int_equal(mt_service_asked(&service, "nocached-1"), 1);
    assert_int_equal(mt_service_asked(&service, "allow-1"), 3);
    enter("cached-2");
    assert_int_equal(mt_service_asked(&service, "cached-2"), 1);
}

static void test_cache_has_a_cap(void **state) {
    (void)state;
    mt_service_daemon(&service, mt_service_usual(&service, ", cache_max: 0ms"));
    enter("cached-1");
    enter("cached-1");
    assert_int_equal(mt_service_asked(&service, "cached-1"), 2);
}

/* What is not asked about is left to others, and the service hears nothing of it. */
static void test_actions(void **state) {
    (void)state;
    mt_service_daemon(&service, mt_service_text(&service,
                                                "url: 'http://127.0.0.1:%d/a', actions: "
                                                "['session.*', connection.resume]",
                                                service.port));
    mt_ask(service.stand, service.client, "STATUS", NULL);
    assert_int_equal(mt_service_asked(&service, NULL), 0);
    enter("allow-1"); /* and session.lead */
    assert_int_equal(mt_service_asked(&service, "allow-1"), 2);
    mt_turned_down(service.stand, service.client, MUSTER_DENIED, "MEMBERS", "no-1");
}

/* A daemon that asks about credentials, too. */
static void authenticating(const char *more) {
    mt_service_daemon(
        &service,
        mt_service_usual(
            &service, mt_service_text(&service, ", authenticate_url: 'http://127.0.0.1:%d/who'%s",
                                      service.port, more)));
}

/* Who calls, and who the end user is. */
static void test_authenticates(void **state) {
    struct mt_stand *stand = service.stand;
    (void)state;
    authenticating("");
    struct mt_client *backend = stand->door->open(stand, "node-1", TOKEN);
    mt_ask(stand, backend, "ENTER", "allow-1", "c1", "node-1", "k1",
           "{\"credential\":\"" CREDENTIAL "\"}");
    mt_expect(json_object_get(mt_service_last(&service), "question"),
              "{'question':'authorize','principal':{'id':'backend of node-1','kind':'instance',"
              "'instance':'node-1','claims':{'zone':'eu'},'roles':['game','chat']},"
              "'action':'session.enter','operation':'ENTER','resource':{'session':'allow-1',"
              "'connection':'c1','instance':'node-1','incarnation':'k1','user':'u9',"
              "'claims':{'team':7}}}");
    assert_int_equal(mt_service_asked(&service, ""), 2); /* caller and end user */
    assert_string_equal(
        mt_str(mt_parsed(stand, mt_ask(stand, backend, "CONNECTION", "c1")), "user"), "u9");
    stand->door->close(&backend);
    struct mt_client *bad = stand->door->open(stand, "node-1", "bad-" TOKEN);
    assert_non_null(strstr(mt_turned_down(stand, bad, MUSTER_UNAUTHENTICATED, "STATUS", NULL),
                           "this is no good token"));
    stand->door->close(&bad);
    /* Anonymous, since nobody else knows it. */
    struct mt_client *other = stand->door->open(stand, "node-1", "other-" TOKEN);
    mt_ask(stand, other, "STATUS", NULL);
    mt_turned_down(stand, other, MUSTER_UNAUTHENTICATED, "ENTER", "allow-1", "c3", "node-1", "k1",
                   "{\"credential\":\"other-" CREDENTIAL "\"}");
    mt_turned_down(stand, other, MUSTER_UNAUTHENTICATED, "ENTER", "allow-1", "c3", "node-1", "k1",
                   "{\"credential\":\"bad-" CREDENTIAL "\"}");
    stand->door->close(&other);
    mt_stand_stop(stand, service.daemon);
    mt_service_never_logged(&service, CREDENTIAL);
    mt_service_never_logged(&service, TOKEN);
}

static void print_place(void *context, const char *map, const char *around, size_t length) {
    (void)context;
    print_error("%s: %.*s\n", map, (int)length, around);
}

/* Neither in what libcurl and jansson have freed, nor anywhere else in the daemon. */
static void expect_forgotten(const char *secret) {
    pid_t pid = mt_process_pid(service.daemon);
    if (!mt_memory_is_plain())
        return;
    /* The search finds what is there. */
    assert_true(mt_memory_count(pid, MT_NAMESPACE, sizeof MT_NAMESPACE, NULL, NULL) > 0);
    size_t count = mt_memory_count(pid, secret, strlen(secret), print_place, NULL);
    if (count > 0)
        mt_fail(service.stand->world, "'%s' is %zu times in the daemon's memory", secret, count);
}

/* Made of the mark from beginning to end, so that no piece of a copy goes unseen. */
static const char *filled(const char *mark, size_t length) {
    char *text = malloc(length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = mark[i % strlen(mark)];
    text[length] = '\0';
    return mt_keep_text(service.stand, text);
}

/* Of any size: small ones, what does not fit into one write, what is mapped on its own. */
static void test_forgets(void **state) {
    static const size_t sizes[] = {60, 500, 2000, 8000, 30000, 150000};
    struct mt_stand *stand = service.stand;
    (void)state;
    authenticating("");
    stand->door->close(&service.client); /* it would hear the answers to others, too */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *options =
            mt_service_text(&service, "{\"credential\":\"%s\"}", filled(CREDENTIAL, sizes[i]));
        const char *token = filled(TOKEN, sizes[i] < 8000 ? sizes[i] : 8000);
        struct mt_client *backend = stand->door->open(stand, "node-1", token);
        mt_ask(stand, backend, "REGISTER", mt_service_text(&service, "c%zu", i), "node-1", "k1",
               options);
        stand->door->close(&backend);
    }
    expect_forgotten(CREDENTIAL);
    expect_forgotten(TOKEN);
    mt_stand_stop(stand, service.daemon);
}

/* A service that fails does not make a token a bad one. */
static void test_fails_at_authentication(void **state) {
    struct mt_stand *stand = service.stand;
    (void)state;
    authenticating(", timeout: 1s");
    struct mt_client *client = stand->door->open(stand, "node-1", "hang-" TOKEN);
    assert_non_null(strstr(mt_turned_down(stand, client, MUSTER_DENIED, "STATUS", NULL), TOO_LATE));
    stand->door->close(&client);
    mt_stand_stop(stand, service.daemon);
    mt_service_never_logged(&service, TOKEN);
}

/* What the environment says about proxies is not for questions about rights. */
static void test_no_proxy(void **state) {
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    mt_service_daemon(&service, mt_service_usual(&service, ""));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    enter("allow-1");
}

static void expect_refused(const char *config, const char *sentence) {
    static unsigned times;
    const char *set[] = {mt_service_text(&service,
                                         "plugins.load=[{name: '" MUSTER_BUILD_DIR
                                         "/plugins/auth_http.so', config: {%s}}]",
                                         config),
                         NULL};
    struct mt_process *daemon =
        mt_daemon_start(service.stand->world, mt_service_text(&service, "refused%u", ++times),
                        &(struct mt_daemon_options){.server = service.stand->server, .set = set});
    assert_int_equal(mt_process_wait(daemon), 2);
    char *log = mt_process_output(daemon, MT_STDERR);
    if (strstr(log, sentence) == NULL)
        mt_fail(service.stand->world, "%s: no '%s' in: %s", config, sentence, log);
    free(log);
}

/* Each with its sentence. */
static void test_configuration(void **state) {
    static const struct {
        const char *config;
        const char *sentence;
    } cases[] = {
        {"actions: ['*']", "auth_http.url: is missing"},
        {"url: 'ftp://127.0.0.1/'", "url: is neither http:// nor https://"},
        {"url: 'file:///etc/passwd'", "url: is no URL"},
        {"url: '127.0.0.1'", "url: is no URL"},
        {"url: 'http://u:p@127.0.0.1/'", "url: holds a user"},
        {"url: 'http://a/', authenticate_url: gopher://b", "authenticate_url: is neither"},
        {"url: 'http://a/', actions: [session.*, sesion.*]", "'sesion.*' fits no action"},
        {"url: 'http://a/', ca_file: ca.pem", "ca_file: is no absolute path"},
        {"url: 'http://a/', ca_file: /nowhere/ca.pem", "ca_file: cannot be read"},
        {"url: 'http://a/', ca_file: /dev/zero", "ca_file: cannot be read"},
        {"url: 'https://a/', ca_file: /etc/passwd", "ca_file: holds no certificate"},
        {"url: 'http://a/', client_cert: /etc/passwd", "belong together"},
        {"url: 'http://a/', client_key: x", "belong together"},
        {"url: 'http://a/', insecure: true", "unknown key"},
        {"url: 'http://a/', timeout: 1ms", "is too small"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i].config, cases[i].sentence);
    const char *path = mt_world_path(service.stand->world, "secret");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "a\r\nX: b", 7), 7);
    assert_int_equal(close(fd), 0);
    expect_refused(mt_service_text(&service, "url: 'http://a/', authorization: 'file:%s'", path),
                   "holds a control character");
}

static int set_up(void **state) {
    (void)state;
    mt_service_create(&service);
    mt_service_start(&service, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mt_service_destroy(&service);
    return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_cached),
        TEST(test_cache_has_a_cap),
        TEST(test_actions),
        TEST(test_authenticates),
        TEST(test_forgets),
        TEST(test_fails_at_authentication),
        TEST(test_no_proxy),
        TEST(test_configuration),
    };
    return cmocka_run_group_tests_name("auth_http", tests, NULL, NULL);
}
