/* guards NAME|--list - runs one hot path of the daemon, PASSES times, for
 * tests/budgets/test_instructions.sh to count its instructions (valgrind --tool=callgrind
 * --collect-atstart=no). Only the loop is collected; what it needs is prepared before. Prints how
 * many passes it were.
 *
 * Nothing here waits for time or chance, so the count is the same on every machine that has the
 * same compiler. What libraries do is not counted: the script adds up this program's own code
 * alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <valgrind/callgrind.h>

#include "coordinator/detector.h"
#include "coordinator/watcher.h"
#include "request/request.h"
#include "resp/stand.h"
#include "transport_resp/out.h"
#include "transport_resp/parse.h"

enum { PASSES = 200, INSTANCES = 1000 };

/* An ENTER as a client of the RESP door sends it, 190 bytes. */
static const char enter[] =
    "*7\r\n$5\r\nENTER\r\n$10\r\nroom-00012\r\n$11\r\nconn-000123\r\n$6\r\nnode-3\r\n$8\r\nk3f9x2ab"
    "\r\n$2\r\n{}\r\n$62\r\n"
    "{\"name\":\"Ada Lovelace 000123\",\"color\":\"#3a7bd5\",\"position\":17}\r\n";
/* What the function answers. */
static const char answer[] =
    "{\"session\":\"room-00012\",\"connection\":\"conn-000123\",\"joined\":true,\"leader\":\"conn-"
    "000001\","
    "\"term\":1732000000001,\"seq\":1732000000007,\"count\":7,\"generation\":\"9f3c21d07be84a65\"}";

_Noreturn static void die(const char *why) {
    fprintf(stderr, "guards: %s\n", why);
    exit(EXIT_FAILURE);
}

static void require(bool condition, const char *why) {
    if (!condition)
        die(why);
}

/* ---- parse, encode ---- */

static void parse(void) {
    struct resp_parser parser;
    const struct resp_limits limits = {
        .arguments = 64, .argument = 65536, .request = 1 << 20, .inline_line = 1024};
    resp_parser_init(&parser, &limits);
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++) {
        size_t taken = 0;
        require(resp_parse(&parser, enter, sizeof enter - 1, &taken) == RESP_REQUEST, "parse");
        resp_parser_wipe(&parser);
    }
    CALLGRIND_TOGGLE_COLLECT;
    resp_parser_deinit(&parser);
}

/* The answer of a write, and one element of each other kind. */
static void encode(void) {
    struct resp_out out = {0};
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++) {
        resp_out_array(&out, 4);
        resp_out_bulk(&out, answer, sizeof answer - 1);
        resp_out_integer(&out, i);
        resp_out_status(&out, "OK");
        resp_out_error(&out, "DENIED", "not you");
        resp_out_consume(&out, out.length - out.sent);
    }
    CALLGRIND_TOGGLE_COLLECT;
    resp_out_deinit(&out);
}

static const char *const call[] = {
    "FCALL",      "muster_enter",
    "1",          "{muster}",
    "room-00012", "conn-000123",
    "node-3",     "k3f9x2ab",
    "{}",         "{\"name\":\"Ada Lovelace 000123\",\"color\":\"#3a7bd5\"}"};
#define CALL_WORDS (sizeof call / sizeof *call)

/* ---- the RESP door: bytes in, request out, answer in, bytes out ---- */

struct asked {
    void *context;
    size_t count;
};

static struct asked asked; /* of the host's submit, which has room for no context of ours */

static enum muster_status submit(struct muster_plugin *plugin, const struct muster_request *request,
                                 uint64_t *id) {
    (void)plugin;
    asked.context = request->context;
    *id = ++asked.count;
    return MUSTER_OK;
}

static void door(void) {
    struct stand *stand = stand_create();
    struct resp_session *session = stand_session(stand);
    const struct muster_result result = {.json = answer, .length = sizeof answer - 1};
    char bytes[sizeof enter];
    stand->host.submit = submit;
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++) {
        memcpy(bytes, enter, sizeof enter);
        resp_session_feed(session, bytes, sizeof enter - 1);
        resp_door_replied(&stand->door, asked.context, &result);
        resp_session_sent(session, session->out.length - session->out.sent, 0);
    }
    CALLGRIND_TOGGLE_COLLECT;
    require(asked.count == PASSES, "the door asked for something else");
    resp_session_destroy(&session);
    stand_destroy(&stand);
}

/* ---- the life of a request, from submission to reply, over a link to a Redis that is played ----
 */

/* What Redis has of a session of twenty. Returns its length. */
static int write_session(char *out, size_t size) {
    int length =
        snprintf(out, size,
                 "*52\r\n$6\r\n#count\r\n$2\r\n20\r\n$5\r\n#term\r\n$1\r\n9\r\n$4\r\n#seq\r\n"
                 "$13\r\n1732000000001\r\n$4\r\n#gen\r\n$16\r\n9f3c21d07be84a65\r\n$10\r\n"
                 "#anonymous\r\n$2\r\n20\r\n$7\r\n#leader\r\n$11\r\nconn-000001\r\n");
    for (int i = 0; i < 20; i++) {
        char member[256];
        int bytes =
            snprintf(member, sizeof member,
                     "{\"connection\":\"conn-%06d\",\"instance\":\"node-1\",\"incarnation\":"
                     "\"k3f9x2ab\",\"joined_at\":1732000000001,\"profile\":{\"name\":\"somebody "
                     "or other\",\"colour\":\"turquoise or so\"}}",
                     i);
        length += snprintf(out + length, size - (size_t)length, "$11\r\nconn-%06d\r\n$%d\r\n%s\r\n",
                           i, bytes, member);
    }
    return length;
}

/* Answers each request of a kind with the same, for ever. */
_Noreturn static void play_redis(int listener) {
    const struct resp_limits limits = {
        .arguments = 64, .argument = 65536, .request = 1 << 20, .inline_line = 1024};
    struct resp_parser parser;
    char bytes[4096];
    char reply[sizeof answer + 16];
    int length = snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", sizeof answer - 1, answer);
    char session[8192];
    int session_length = write_session(session, sizeof session);
    int peer = accept(listener, NULL, NULL);
    resp_parser_init(&parser, &limits);
    for (ssize_t got = 0; (got = read(peer, bytes, sizeof bytes)) > 0;) {
        for (size_t at = 0, taken = 0; at < (size_t)got; at += taken) {
            if (resp_parse(&parser, bytes + at, (size_t)got - at, &taken) != RESP_REQUEST)
                continue;
            bool is_call = strcmp(parser.arguments[0].data, "FCALL") == 0;
            bool is_list = strcmp(parser.arguments[0].data, "HRANDFIELD") == 0;
            ssize_t sent = is_call   ? write(peer, reply, (size_t)length)
                           : is_list ? write(peer, session, (size_t)session_length)
                                     : write(peer, "+OK\r\n", 5);
            if (sent < 0)
                _exit(EXIT_FAILURE);
        }
    }
    _exit(EXIT_SUCCESS);
}

static pid_t start_redis(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    require(bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
                listen(listener, 1) == 0,
            "no socket");
    pid_t parent = getpid();
    pid_t child = fork();
    require(child >= 0, "no process");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EXIT_FAILURE);
        play_redis(listener);
    }
    close(listener);
    return child;
}

static void on_reply(void *context, const struct muster_result *result) {
    require(result->status == MUSTER_OK && result->length >= sizeof answer - 1, "refused");
    *(bool *)context = true;
}

static void on_closed(void *context) {
    *(bool *)context = true;
}

static void one_request(uv_loop_t *loop, struct mu_requests *requests, const char *operation,
                        const struct muster_text *arguments, size_t count) {
    bool replied = false;
    uint64_t id = 0;
    const struct mu_submission submission = {.owner = loop,
                                             .door = "guards",
                                             .operation = {operation, strlen(operation)},
                                             .arguments = arguments,
                                             .count = count,
                                             .reply = on_reply,
                                             .context = &replied};
    require(mu_requests_submit(requests, &submission, &id) == MUSTER_OK, "not submitted");
    while (!replied)
        uv_run(loop, UV_RUN_ONCE);
}

static void measure_life(uv_loop_t *loop, struct mu_requests *requests, const char *operation) {
    struct muster_text arguments[CALL_WORDS];
    size_t count = 0;
    for (size_t i = 4; i < CALL_WORDS; i++)
        arguments[count++] = (struct muster_text){call[i], strlen(call[i])};
    if (strcmp(operation, "MEMBERS") == 0)
        count = 1;
    /* the first of all grows what is kept */
    one_request(loop, requests, operation, arguments, count);
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++)
        one_request(loop, requests, operation, arguments, count);
    CALLGRIND_TOGGLE_COLLECT;
}

static void live(const char *operation) {
    char path[64];
    char url[80];
    uv_loop_t loop;
    struct mu_redis_address address;
    struct mu_error error;
    bool closed = false;
    snprintf(path, sizeof path, "/tmp/muster-guards-%ld.sock", (long)getpid());
    snprintf(url, sizeof url, "unix://%s", path);
    pid_t redis = start_redis(path);
    require(uv_loop_init(&loop) == 0, "no loop");
    require(mu_redis_address_parse(url, &address, &error) == MUSTER_OK, "no address");
    /* An hour for everything: nothing may become due while it is counted, slow as that is. */
    struct mu_link *link = mu_link_create(
        &loop, &(struct mu_link_options){.address = &address, .command_timeout_ms = 3600000});
    mu_redis_address_deinit(&address);
    struct mu_registry *registry = mu_registry_create(
        &(struct mu_registry_options){.link = link, .name_space = "muster", .version = "0"});
    struct mu_auth *auth = mu_auth_create(&(struct mu_auth_options){.allow_by_default = true});
    struct mu_requests *requests = mu_requests_create(&(struct mu_requests_options){
        .loop = &loop, .registry = registry, .auth = auth, .limits.timeout_ms = 3600000});
    while (!mu_link_is_open(link))
        uv_run(&loop, UV_RUN_ONCE);
    measure_life(&loop, requests, operation);
    mu_requests_close(&requests, on_closed, &closed);
    while (!closed)
        uv_run(&loop, UV_RUN_ONCE);
    mu_link_close(&link, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    mu_auth_destroy(&auth);
    mu_registry_destroy(&registry);
    kill(redis, SIGKILL); /* no end of its own, at which it would write what callgrind counted */
    waitpid(redis, NULL, 0);
    unlink(path);
}

static void life(void) {
    live("ENTER");
}

static void list(void) {
    live("MEMBERS");
}

/* ---- the detector ---- */

static void name_instance(int number, char name[32]) {
    snprintf(name, 32, "node-%d", number);
}

static void poll(struct mu_detector *detector, uint64_t now, char names[INSTANCES][32]) {
    char score[MU_SCORE_SIZE];
    mu_detector_poll_begin(detector, now);
    for (int i = 0; i < INSTANCES; i++) {
        snprintf(score, sizeof score, "%llu", (unsigned long long)now - (unsigned)i);
        mu_detector_poll_score(detector, now, names[i], score);
    }
    mu_detector_poll_end(detector);
}

struct crowd {
    struct mu_detector *detector;
    char names[INSTANCES][32];
    uint64_t now;
};

static struct crowd *begin_crowd(void) {
    struct crowd *crowd = calloc(1, sizeof *crowd);
    require(crowd != NULL, "no memory");
    crowd->detector = mu_detector_create(3000, 10000);
    crowd->now = 1000000;
    for (int i = 0; i < INSTANCES; i++)
        name_instance(i, crowd->names[i]);
    poll(crowd->detector, crowd->now, crowd->names);
    for (int i = 0; i < INSTANCES; i++)
        mu_detector_details(crowd->detector, crowd->now, crowd->names[i], "k3f9x2ab", false, false);
    return crowd;
}

static void end_crowd(struct crowd *crowd) {
    mu_detector_destroy(&crowd->detector);
    free(crowd);
}

static void all_heard(struct crowd *crowd) {
    for (int i = 0; i < INSTANCES; i++)
        mu_detector_heard(crowd->detector, crowd->now, crowd->names[i], "k3f9x2ab");
}

/* One look of a tick at who is due, 50 of them a second, while all heartbeat once a second. */
static void detector_view(void) {
    struct crowd *crowd = begin_crowd();
    struct mu_brake_view view;
    for (int i = 0; i < PASSES; i++) {
        if (i % 50 == 0)
            all_heard(crowd);
        crowd->now += 20;
        CALLGRIND_TOGGLE_COLLECT;
        bool due = mu_detector_view(crowd->detector, crowd->now, 0, &view);
        CALLGRIND_TOGGLE_COLLECT;
        require(!due, "somebody is silent");
    }
    end_crowd(crowd);
}

/* One round of verdicts, when somebody may be due; nobody is. */
static void detector_tick(void) {
    struct crowd *crowd = begin_crowd();
    struct mu_verdict verdicts[8];
    size_t due = 0;
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++)
        due += mu_detector_tick(crowd->detector, crowd->now, UINT64_MAX, verdicts, 8);
    CALLGRIND_TOGGLE_COLLECT;
    require(due == 0, "somebody is silent");
    end_crowd(crowd);
}

/* One poll of all scores, each of which moved. */
static void detector_poll(void) {
    struct crowd *crowd = begin_crowd();
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++)
        poll(crowd->detector, ++crowd->now, crowd->names);
    CALLGRIND_TOGGLE_COLLECT;
    end_crowd(crowd);
}

/* One heartbeat heard on the channel. */
static void detector_heard(void) {
    struct crowd *crowd = begin_crowd();
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++)
        mu_detector_heard(crowd->detector, ++crowd->now, crowd->names[i], "k3f9x2ab");
    CALLGRIND_TOGGLE_COLLECT;
    end_crowd(crowd);
}

/* One probe of all inboxes, each of which is open. */
static void detector_inboxes(void) {
    struct crowd *crowd = begin_crowd();
    CALLGRIND_TOGGLE_COLLECT;
    for (int pass = 0; pass < PASSES; pass++) {
        for (int i = 0; i < INSTANCES; i++)
            mu_detector_inbox(crowd->detector, crowd->names[i], 1);
    }
    CALLGRIND_TOGGLE_COLLECT;
    end_crowd(crowd);
}

/* One heartbeat, from the message to what it means. */
static void heartbeat(void) {
    static const char text[] = "{\"instance\":\"node-1\",\"incarnation\":\"k3f9x2ab\"}";
    struct mu_signal signal;
    CALLGRIND_TOGGLE_COLLECT;
    for (int i = 0; i < PASSES; i++) {
        mu_watcher_read("muster", NULL, "{muster}:heartbeat", text, sizeof text - 1, &signal);
        require(signal.kind == MU_SIGNAL_HEARTBEAT, "no heartbeat");
    }
    CALLGRIND_TOGGLE_COLLECT;
}

static const struct {
    const char *name;
    void (*run)(void);
} guards[] = {
    {"parse", parse},
    {"encode", encode},

    {"door", door},
    {"life", life},
    {"list", list},
    {"heartbeat", heartbeat},
    {"detector_view", detector_view},
    {"detector_tick", detector_tick},
    {"detector_poll", detector_poll},
    {"detector_heard", detector_heard},
    {"detector_inboxes", detector_inboxes},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 2 && i < sizeof guards / sizeof guards[0]; i++) {
        if (strcmp(argv[1], "--list") == 0) {
            puts(guards[i].name);
        } else if (strcmp(argv[1], guards[i].name) == 0) {
            guards[i].run();
            printf("%d\n", PASSES);
            return EXIT_SUCCESS;
        }
    }
    return argc == 2 && strcmp(argv[1], "--list") == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
