/* musterctl as people use it, against data that the real functions wrote: status, instances,
 * sessions, members, watch; fsck of a namespace in full use; errors and exit codes. */
#include "lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/fixture.h"
#include "lib/wait.h"

static char *ctl(struct mt_fixture *f, int expected, const char *const command[]) {
    char *out = NULL;
    int code = mt_ctl(f->world, f->server, command, &out);
    if (code != expected)
        mt_fail(f->world, "musterctl %s: exit %d, expected %d\n%s", command[0], code, expected,
                out);
    return out;
}
#define CTL(f, expected, ...) ctl((f), (expected), (const char *const[]){__VA_ARGS__, NULL})

static json_t *ctl_json(struct mt_fixture *f, int expected, const char *const command[]) {
    char *out = ctl(f, expected, command);
    json_t *json = json_loads(out, 0, NULL);
    if (json == NULL)
        mt_fail(f->world, "musterctl %s wrote no JSON: %s", command[0], out);
    free(out);
    return json;
}
#define CTL_JSON(f, expected, ...)                                                                 \
    ctl_json((f), (expected), (const char *const[]){__VA_ARGS__, "--json", NULL})

static void expect_text(struct mt_fixture *f, char *out, const char *part) {
    if (strstr(out, part) == NULL)
        mt_fail(f->world, "no \"%s\" in:\n%s", part, out);
}

/*  room-1 c1 (leads, user u1) c2;  room-2 c2 (leads), c3 who never leads. */
static void fill(struct mt_fixture *f) {
    mt_start(f, "node-1", "inc-1");
    mt_start(f, "node-2", "inc-2");
    mt_enter(f, "room-1", "c1", "node-1", "inc-1", "{\"user\":\"u1\"}");
    mt_enter(f, "room-1", "c2", "node-2", "inc-2", NULL);
    mt_ok(f->redis, "join", "room-2", "c2", "node-2", "inc-2");
    mt_enter(f, "room-2", "c3", "node-2", "inc-2", "{\"lead\":false}");
}

static void test_status(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_suspect(f, "node-2", "inc-2");
    json_t *status = CTL_JSON(f, 1, "status");
    mt_expect(status,
              "{'namespace':'t','version':'#str','redis':{'address':'#str','version':'#str',"
              "'run_id':'#str'},'library':{'version':6,'min_reader':2},'generation':'gen-1',"
              "'confirmed':false,'epoch':'#int','coordinator':{'id':'hand','address':'#str',"
              "'lease_ms':'#int'},'daemons':[],'instances':{'up':1,'suspect':1,'draining':0},'"
              "sessions':2,"
              "'connections':3,'connections_capped':false,'ghosts':0,'ghost_list':[],"
              "'leaderless':0,'quarantine':0,'problems':['#str'],'healthy':false}");
    json_decref(status);
    /* The fixture names no run; a coordinator does. */
    const char *info = mt_text(f->redis, "INFO server");
    char run[64];
    assert_int_equal(sscanf(strstr(info, "run_id:"), "run_id:%63[0-9a-f]", run), 1);
    mt_command(f->redis, "HSET " MT_NS "config run %s", run);
    char *out = CTL(f, 0, "status");
    expect_text(f, out, "confirmed\n");
    expect_text(f, out, "instances    1 up, 1 suspect, 0 draining\n");
    expect_text(f, out, "health       fine\n");
    free(out);
    mt_bury(f, "node-2", "inc-2");
    status = CTL_JSON(f, 0, "status");
    mt_expect(json_object_get(status, "ghost_list"),
              "[{'ghost':'node-2:inc-2','connections':2,'remaining_ms':0}]");
    json_decref(status);
    mt_command(f->redis, "DEL " MT_NS "coordinator");
    out = CTL(f, 1, "status");
    expect_text(f, out, "no coordinator holds the lease");
    free(out);
    mt_command(f->redis, "FUNCTION FLUSH");
    out = CTL(f, 1, "status");
    expect_text(f, out, "not loaded");
    free(out);
}

static void test_lists(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    json_t *list = CTL_JSON(f, 0, "instances");
    mt_expect(list,
              "[{'instance':'node-1','incarnation':'inc-1','state':'up','draining':false,"
              "'started_at':'#int','last_heartbeat':'#int','connections':1,'leads':1,'meta':{}},"
              "{'instance':'node-2','incarnation':'inc-2','state':'up','draining':false,"
              "'started_at':'#int','last_heartbeat':'#int','connections':2,'leads':1,'meta':{}}]");
    json_decref(list);
    char *out = CTL(f, 0, "instances");
    expect_text(f, out, "INSTANCE  STATE  CONNECTIONS  LEADS");
    expect_text(f, out, "node-2    up               2      1");
    free(out);

    json_t *sessions = CTL_JSON(f, 0, "sessions");
    mt_expect(sessions, "{'sessions':[{'session':'room-1','count':2,'leader':'c1','term':'#int',"
                        "'opened_at':'#int','meta':{}},{'session':'room-2','count':2,'leader':'c2',"
                        "'term':'#int','opened_at':'#int','meta':{}}],'cursor':'0'}");
    json_decref(sessions);
    sessions = CTL_JSON(f, 0, "sessions", "--offset", "1", "--limit", "1");
    mt_expect(sessions, "{'sessions':['#object'],'cursor':'2'}");
    json_decref(sessions);
    out = CTL(f, 0, "sessions");
    expect_text(f, out, "room-1         2  c1 ");
    free(out);
}

static void test_members(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    /* Verbatim: no parser between Redis and the output could keep that number. */
    static const char member[] =
        "{\"connection\":\"c1\",\"instance\":\"node-1\",\"incarnation\":\"inc-1\",\"user\":\"u1\","
        "\"joined_at\":1,\"profile\":{\"name\":\"J\\u00e4n "
        "\\u001b[31m\",\"big\":12345678901234567890123}}";
    mt_command(f->redis, "HSET " MT_NS "session:room-1 c1 %s", member);
    char *out = CTL(f, 0, "members", "room-1", "--json");
    expect_text(f, out, member);
    expect_text(f, out, "\"leader\":\"c1\"");
    expect_text(f, out, "\"count\":2,\"members\":[{\"connection\":\"c");
    free(out);
    out = CTL(f, 0, "members", "room-2");
    expect_text(f, out, "session room-2: 2 members, led by c2, term ");
    expect_text(f, out, "c2          leads");
    expect_text(f, out, "c3          never leads");
    assert_null(strchr(out, '\033'));
    free(out);
    free(CTL(f, 1, "members", "room-9"));
    free(CTL(f, 2, "members", "a/b"));
}

static void test_large_session(void **state) {
    struct mt_fixture *f = *state;
    char connection[32];
    mt_start(f, "node-1", "inc-1");
    for (int i = 0; i < 5100; i++) {
        snprintf(connection, sizeof connection, "c%d", i);
        mt_append(f->redis, (const char *const[]){"enter", "room-1", connection, "node-1", "inc-1",
                                                  i % 3 == 0 ? "{\"user\":\"u1\"}" : "", NULL});
    }
    mt_drain(f->redis, 5100);
    json_t *members = CTL_JSON(f, 0, "members", "room-1");
    assert_int_equal(json_array_size(json_object_get(members, "members")), 5100);
    json_decref(members);
    char *out = CTL(f, 0, "members", "room-1");
    expect_text(f, out, "read in pages");
    free(out);
    json_t *report = CTL_JSON(f, 0, "fsck");
    /* From both sides; a page may show one twice. */
    assert_true(mt_int(json_object_get(report, "checked"), "3") >= 2 * 5100);
    assert_int_equal(mt_int(report, "unsettled"), 0);
    json_decref(report);
    mt_command(f->redis, "HINCRBY " MT_NS "session:room-1:users u1 1");
    report = CTL_JSON(f, 1, "fsck");
    assert_int_equal(mt_int(report, "found"), 1);
    json_decref(report);
    json_decref(CTL_JSON(f, 0, "fsck", "--repair"));
    mt_fsck(f->world, f->server);
}

/* ---- watch --------------------------------------------------------------------------------- */

static struct mt_process *watch(struct mt_fixture *f, const char *name, const char *const more[]) {
    const char *argv[16] = {MUSTER_BUILD_DIR "/musterctl",
                            "--url",
                            mt_server_url(f->server),
                            "--namespace",
                            MT_NAMESPACE,
                            "watch"};
    size_t count = 6;
    for (size_t i = 0; more[i] != NULL; i++)
        argv[count++] = more[i];
    struct mt_process *process = mt_process_start(f->world, name, argv);
    free(mt_process_wait_line(process, MT_STDERR, "watching namespace t"));
    return process;
}
#define WATCH(f, name, ...) watch((f), (name), (const char *const[]){__VA_ARGS__, NULL})

static void test_watch(void **state) {
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "inc-1");
    struct mt_process *all = WATCH(f, "all", "--count", "5");
    struct mt_process *one =
        WATCH(f, "one", "--session", "room-2", "--session", "room-3", "--json", "--count", "2");
    mt_enter(f, "room-1", "c1", "node-1", "inc-1", "{\"user\":\"u1\"}");
    mt_enter(f, "room-2", "c1", "node-1", "inc-1", NULL);
    mt_start(f, "node-2", "inc-2");
    assert_int_equal(mt_process_wait(all), 0);
    assert_int_equal(mt_process_wait(one), 0);
    char *out = mt_process_output(all, MT_STDOUT);
    expect_text(f, out, "member.joined         room-1  c1 on node-1 user u1  count 1  seq ");
    expect_text(f, out, "leader.changed        room-1  c1  (first)  seq ");
    expect_text(f, out, "instance.started      node-2  incarnation inc-2");
    assert_null(strchr(out, '\033')); /* no terminal, no colours */
    free(out);
    out = mt_process_output(one, MT_STDOUT);
    expect_text(f, out, "{\"event\":\"member.joined\",\"session\":\"room-2\"");
    assert_null(strstr(out, "room-1\""));
    free(out);
}

static void test_watch_brief(void **state) {
    struct mt_fixture *f = *state;
    char session[32];
    mt_start(f, "node-1", "inc-1");
    mt_start(f, "node-2", "inc-2");
    mt_start(f, "node-3", "inc-3");
    for (int i = 0; i < 30; i++) {
        snprintf(session, sizeof session, "room-%d", i);
        mt_enter(f, session, "c1", "node-1", "inc-1", NULL);
        mt_enter(f, session, i < 20 ? "c2" : "c3", i < 20 ? "node-2" : "node-3",
                 i < 20 ? "inc-2" : "inc-3", NULL);
    }
    struct mt_process *brief = WATCH(f, "brief", "--brief");
    mt_suspect(f, "node-1", "inc-1");
    mt_ok(f->redis, "elect", f->epoch, "node-1", "512");
    char *line = mt_process_wait_line(brief, MT_STDOUT, "moved from node-1");
    expect_text(f, line, "30 moved from node-1 to node-2 (20), node-3 (10) in ");
    expect_text(f, line, "(instance-suspect), ");
    free(line);
    mt_bury(f, "node-1", "inc-1");
    mt_reap(f, "node-1:inc-1");
    free(mt_process_wait_line(brief, MT_STDOUT, "instance.dead"));
    line = mt_process_wait_line(brief, MT_STDOUT, "left");
    expect_text(f, line, "-30 left (instance-dead 30)");
    free(line);
    mt_process_kill(brief);
}

static void test_watch_survives(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *process = WATCH(f, "survivor", "--count", "1");
    mt_server_kill(f->server);
    free(mt_process_wait_line(process, MT_STDERR, "lost Redis"));
    mt_events_close(&f->events);
    mt_redis_close(&f->redis);
    mt_server_restart(f->server);
    f->redis = mt_server_connect(f->server);
    f->events = mt_events_open(f->redis, true);
    free(mt_process_wait_line(process, MT_STDERR, "connected again"));
    mt_command(f->redis, "PUBLISH " MT_NS "events:instances rubbish");
    assert_int_equal(mt_process_wait(process), 0);
    char *out = mt_process_output(process, MT_STDOUT);
    assert_string_equal(out, "{t}:events:instances  rubbish\n");
    free(out);
}

/* ---- fsck of a namespace in use ------------------------------------------------------------ */

struct churn {
    const char *socket;
    const char *epoch;
    atomic_bool stop;
    atomic_ulong calls;
    atomic_bool broken;
    unsigned number;
};

/* Two instances whose connections come and go in a few sessions, lead, and are replaced. */
static void *churn(void *context) {
    struct churn *churn = context;
    redisContext *redis = redisConnectUnix(churn->socket);
    unsigned seed = 7 + churn->number;
    while (!atomic_load(&churn->stop)) {
        unsigned turn = (unsigned)rand_r(&seed);
        const char *node = turn % 2 == 0 ? "node-1 inc-1" : "node-2 inc-2";
        unsigned who = turn / 2 % 40;
        unsigned room = turn / 80 % 12;
        char command[256];
        const char *format = turn / 1000 % 4 == 0   ? "LEAVE"
                             : turn / 1000 % 4 == 1 ? "PROMOTE"
                                                    : "ENTER";
        if (format[0] == 'L')
            snprintf(command, sizeof command, "FCALL muster_leave 1 {t} room-%u %s-%u-%u %s", room,
                     turn % 2 == 0 ? "a" : "b", churn->number, who, node);
        else if (format[0] == 'P')
            snprintf(command, sizeof command, "FCALL muster_promote 1 {t} room-%u %s-%u-%u", room,
                     turn % 2 == 0 ? "a" : "b", churn->number, who);
        else
            snprintf(command, sizeof command, "FCALL muster_enter 1 {t} room-%u %s-%u-%u %s", room,
                     turn % 2 == 0 ? "a" : "b", churn->number, who, node);
        redisReply *reply = redisCommand(redis, command);
        if (reply == NULL || (reply->type == REDIS_REPLY_ERROR && format[0] != 'P'))
            atomic_store(&churn->broken, true);
        if (reply != NULL)
            freeReplyObject(reply);
        atomic_fetch_add(&churn->calls, 1);
    }
    redisFree(redis);
    return NULL;
}

/* One call, of which a refusal is no fault: others changed the data meanwhile. */
static void say(redisContext *redis, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(redisContext *redis, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    if (reply != NULL)
        freeReplyObject(reply);
}

/* A third instance that joins everything, is suspected, dies, and is reaped slice by slice: what a
 * coordinator does, with no pause between. */
static void *coordinate(void *context) {
    struct churn *churn = context;
    redisContext *redis = redisConnectUnix(churn->socket);
    for (unsigned life = 0; !atomic_load(&churn->stop); life++) {
        say(redis, "FCALL muster_start 1 {t} node-3 life-%u", life);
        for (unsigned i = 0; i < 120; i++)
            say(redis, "FCALL muster_enter 1 {t} room-%u x-%u node-3 life-%u", i % 12, i, life);
        for (unsigned i = 0; i < 12; i++)
            say(redis, "FCALL muster_promote 1 {t} room-%u x-%u", i, i);
        redisReply *score = redisCommand(redis, "ZSCORE {t}:instances node-3");
        say(redis, "FCALL muster_suspect 1 {t} %s node-3 life-%u %s", churn->epoch, life,
            score->str);
        for (unsigned i = 0; i < 3; i++)
            say(redis, "FCALL muster_elect 1 {t} %s node-3 3", churn->epoch);
        say(redis, "FCALL muster_bury 1 {t} %s node-3 life-%u %s instance-dead", churn->epoch, life,
            score->str);
        for (unsigned i = 0; i < 3; i++)
            say(redis, "FCALL muster_elect 1 {t} %s node-3:life-%u 5", churn->epoch, life);
        say(redis, "FCALL muster_start 1 {t} node-3 life-%u-b", life);
        for (unsigned i = 0; i < 10; i++) /* adopted */
            say(redis, "FCALL muster_enter 1 {t} room-%u x-%u node-3 life-%u-b", i % 12, i, life);
        for (unsigned i = 0; i < 10; i++)
            say(redis, "FCALL muster_reap 1 {t} %s node-3:life-%u 0 20", churn->epoch, life);
        say(redis, "FCALL muster_stop 1 {t} node-3 life-%u-b", life);
        say(redis, "FCALL muster_elect 1 {t} %s node-3:life-%u-b 512", churn->epoch, life);
        say(redis, "FCALL muster_reap 1 {t} %s node-3:life-%u-b 0 4096", churn->epoch, life);
        freeReplyObject(score);
        atomic_fetch_add(&churn->calls, 1);
    }
    redisFree(redis);
    return NULL;
}

static void test_fsck_while_busy(void **state) {
    struct mt_fixture *f = *state;
    struct churn deaths = {.epoch = f->epoch};
    pthread_t undertaker;
    struct churn churns[2] = {{.number = 0}, {.number = 1}};
    pthread_t threads[2];
    mt_start(f, "node-1", "inc-1");
    mt_start(f, "node-2", "inc-2");
    for (size_t i = 0; i < 2; i++) {
        churns[i].socket = mt_server_socket(f->server);
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &churns[i]), 0);
    }
    deaths.socket = mt_server_socket(f->server);
    assert_int_equal(pthread_create(&undertaker, NULL, coordinate, &deaths), 0);
    MT_WAIT(f->world, atomic_load(&churns[0].calls) > 500, "churn");
    MT_WAIT(f->world, atomic_load(&deaths.calls) > 1, "deaths");
    for (int i = 0; i < 8; i++) {
        unsigned long before = atomic_load(&churns[0].calls);
        char *out = CTL(f, 0, "fsck", "--watch", i == 7 ? "1s" : "0");
        expect_text(f, out, "clean");
        free(out);
        assert_true(atomic_load(&churns[0].calls) > before);
    }
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&churns[i].stop, true);
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(atomic_load(&churns[i].broken));
    }
    atomic_store(&deaths.stop, true);
    assert_int_equal(pthread_join(undertaker, NULL), 0);
    mt_fsck(f->world, f->server);
}

/* ---- errors -------------------------------------------------------------------------------- */

static int bare(struct mt_fixture *f, const char *name, const char *const words[], char **err) {
    const char *argv[16] = {MUSTER_BUILD_DIR "/musterctl"};
    size_t count = 1;
    for (size_t i = 0; words[i] != NULL; i++)
        argv[count++] = words[i];
    struct mt_process *process = mt_process_start(f->world, name, argv);
    int code = mt_process_wait(process);
    *err = mt_process_output(process, MT_STDERR);
    return code;
}

static void test_errors(void **state) {
    struct mt_fixture *f = *state;
    const char *url = mt_server_url(f->server);
    const char *nowhere = mt_world_path(f->world, "nowhere");
    char missing[512];
    snprintf(missing, sizeof missing, "unix://%s.sock", nowhere);
    const struct {
        int code;
        const char *words[9];
        const char *says;
    } cases[] = {
        {2, {NULL}, "no command given"},
        {2, {"stats"}, "no command 'stats'"},
        {2, {"status", "--loud"}, "no option '--loud'"},
        {2, {"status", "extra"}, "no argument 'extra'"},
        {2, {"status", "--brief"}, "--brief does not go with 'status'"},
        {2, {"watch", "--for", "3"}, "a duration such as"},
        {2, {"watch", "--count"}, "--count needs a value"},
        {2, {"watch", "--count=x"}, "a whole number"},
        {2, {"members"}, "the name of a session"},
        {2, {"status", "--url", "x", "--config", "y"}, "leave out --config"},
        {2, {"status", "--url", "http://x"}, "--url"},
        {2, {"status", "--url", url, "--namespace", "a/b"}, "no namespace"},
        {2, {"status", "--url", url, "watch"}, "no argument 'watch'"},
        {2, {"status", "--config", nowhere}, nowhere},
        {3, {"status", "--url", missing}, "Name it with --url"},
        {3, {"status", "--state-dir", nowhere}, "is musterd running"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[32];
        char *err = NULL;
        snprintf(name, sizeof name, "error-%zu", i);
        int code = bare(f, name, cases[i].words, &err);
        if (code != cases[i].code || strstr(err, cases[i].says) == NULL ||
            strncmp(err, "musterctl: ", 11) != 0)
            mt_fail(f->world, "case %zu: exit %d, said: %s", i, code, err);
        free(err);
    }
    /* A refused login is no reason to show the password. */
    char *err = NULL;
    char secret[512];
    snprintf(secret, sizeof secret, "unix://:hunter2@%s", mt_server_socket(f->server));
    assert_int_equal(bare(f, "login", (const char *const[]){"--url", secret, "status", NULL}, &err),
                     3);
    expect_text(f, err, "refused the login");
    assert_null(strstr(err, "hunter2"));
    free(err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_status, mt_fixture_fresh),
        cmocka_unit_test_setup(test_lists, mt_fixture_fresh),
        cmocka_unit_test_setup(test_members, mt_fixture_fresh),
        cmocka_unit_test_setup(test_large_session, mt_fixture_fresh),
        cmocka_unit_test_setup(test_watch, mt_fixture_fresh),
        cmocka_unit_test_setup(test_watch_brief, mt_fixture_fresh),
        cmocka_unit_test_setup(test_fsck_while_busy, mt_fixture_fresh),
        cmocka_unit_test_setup(test_errors, mt_fixture_fresh),
        cmocka_unit_test_setup(test_watch_survives, mt_fixture_fresh),
    };
    return cmocka_run_group_tests_name("ctl", tests, mt_fixture_start, mt_fixture_end);
}
