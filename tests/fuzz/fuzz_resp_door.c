/* The whole RESP door without its sockets: the input is a script of what several clients send and
 * read, of what the host answers and when, of messages, losses of the link, time, and ends.
 *
 * Checked: each client gets what resp_client.h says; when all is answered and read, nothing is left
 * undone; the counts of the door are right; nothing of the host's is held in the end; a token is
 * overwritten where it came in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/resp_client.h"
#include "fuzz/resp_host.h"
#include "fuzz/resp_reader.h"
#include "transport_resp/session.h"

enum { SESSIONS = 3 };

#define SECRET "s3cr3t-t0k3n"

struct fuzz {
    const uint8_t *data; /* the script */
    size_t left;
    struct muster_plugin host;
    struct resp_door door;
    struct resp_session *sessions[SESSIONS];
    struct fuzz_client clients[SESSIONS];
};

/* What is more than luck would bring. */
static const char *const lines[] = {
    "*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$12\r\n" SECRET "\r\n",
    "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$12\r\n" SECRET "\r\n",
    "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
    "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n",
    "*2\r\n$5\r\nCOUNT\r\n$1\r\nr\r\n",
    "*4\r\n$5\r\nCOUNT\r\n$1\r\nr\r\n$1\r\ns\r\n$1\r\nt\r\n",
    "*3\r\n$5\r\nSTART\r\n$1\r\ni\r\n$1\r\nk\r\n",
    "*3\r\n$9\r\nHEARTBEAT\r\n$1\r\ni\r\n$1\r\nl\r\n",
    "*3\r\n$4\r\nSTOP\r\n$1\r\ni\r\n$1\r\nl\r\n",
    "*2\r\n$9\r\nSUBSCRIBE\r\n$9\r\nsession:a\r\n",
    "*4\r\n$9\r\nSUBSCRIBE\r\n$9\r\ninstances\r\n$16\r\nevents:session:a\r\n$11\r\ncoordinator\r\n",
    "*3\r\n$10\r\nPSUBSCRIBE\r\n$1\r\n*\r\n$10\r\nsession:a*\r\n",
    "*2\r\n$11\r\nUNSUBSCRIBE\r\n$9\r\nsession:a\r\n",
    "*1\r\n$11\r\nUNSUBSCRIBE\r\n",
    "*1\r\n$12\r\nPUNSUBSCRIBE\r\n",
    "*1\r\n$4\r\nPING\r\n",
    "ECHO x\r\nPING y\r\n",
    "*1\r\n$7\r\nMETRICS\r\n",
    "*1\r\n$5\r\nRESET\r\n",
    "*1\r\n$4\r\nQUIT\r\n",
    "*1\r\n$4\r\nINFO\r\n",
    "*1\r\n$4\r\nHELP\r\n",
    "*1\r\n$7\r\nCOMMAND\r\n",
    "*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n",
    "*2\r\n$6\r\nCLIENT\r\n$4\r\nINFO\r\n",
    "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nn\r\n",
    "*2\r\n$7\r\nMEMBERS\r\n$1\r\nr\r\n",
};
enum { LINES = sizeof lines / sizeof lines[0] };

static uint8_t next(struct fuzz *fuzz) {
    if (fuzz->left == 0)
        return 0;
    fuzz->left--;
    return *fuzz->data++;
}

static void on_wake(void *context) {
    (void)context;
}

/* ---- sessions ---- */

static void open_session(struct fuzz *fuzz, size_t index) {
    char peer[32];
    snprintf(peer, sizeof peer, "peer-%zu", index);
    fuzz->sessions[index] =
        resp_session_create(&fuzz->door, index == 0 ? "unix" : "127.0.0.1", peer, on_wake, fuzz);
    fuzz_client_init(&fuzz->clients[index], fuzz->sessions[index], &fuzz->door.settings.parser);
}

static void close_session(struct fuzz *fuzz, size_t index) {
    fuzz_client_deinit(&fuzz->clients[index]);
    resp_session_destroy(&fuzz->sessions[index]);
}

static bool contains(const char *data, size_t length, const char *word) {
    return memmem(data, length, word, strlen(word)) != NULL;
}

/* A copy on the heap: what is read beyond it is seen, and what is overwritten. */
static void feed(struct fuzz *fuzz, size_t index, const char *data, size_t length, bool secret) {
    struct resp_session *session = fuzz->sessions[index];
    if (length == 0 || !resp_session_reads(session))
        return;
    char *copy = malloc(length);
    fuzz_demand(copy != NULL, "memory");
    memcpy(copy, data, length);
    bool begun = session->partial; /* then it is part of whatever that was */
    fuzz_client_sends(&fuzz->clients[index], data, length);
    resp_session_feed(session, copy, length);
    fuzz_demand(!secret || begun || !contains(copy, length, SECRET), "a token is overwritten");
    free(copy);
}

/* ---- the host ---- */

static void answer_submit(struct fuzz *fuzz, struct fuzz_question *question, uint8_t how) {
    static const enum muster_status errors[] = {MUSTER_DENIED, MUSTER_TIMEOUT, MUSTER_UNAVAILABLE,
                                                MUSTER_OVERLOADED};
    static const char *const odd[] = {"7", "-1", "[1,2,3]", "[]", "[1,x]", "[1", "{}", "[1,2]]"};
    char text[64];
    struct muster_result result = {.json = text};
    unsigned long long id = (unsigned long long)question->id;
    if (how % 4 == 0) {
        snprintf(text, sizeof text, "no\r\n+OK #%llu %s#", id, question->peer);
        result = (struct muster_result){.status = errors[how / 4 % 4], .message = text};
        if (how >= 128)
            result.message = NULL;
    } else if (how % 4 == 1) {
        snprintf(text, sizeof text, "%s", odd[how / 4 % 8]);
    } else {
        snprintf(text, sizeof text, "{\"m\":#%llu %s#", id, question->peer);
    }
    if (result.json != NULL)
        result.length = strlen(result.json);
    resp_door_replied(&fuzz->door, question->context, &result);
}

static void answer(struct fuzz *fuzz, size_t index, uint8_t how) {
    struct fuzz_question question = fuzz_host_take(&fuzz->host, index);
    enum muster_status status = how % 4 == 0 ? MUSTER_DENIED : MUSTER_OK;
    const char *message = how % 8 == 0 ? "no\nyou may not" : NULL;
    if (question.kind == FUZZ_SUBMIT) {
        answer_submit(fuzz, &question, how);
    } else if (question.kind == FUZZ_AUTHORIZE) {
        resp_door_authorized(&fuzz->door, question.context, status, message);
    } else {
        if (status != MUSTER_OK && how >= 128)
            status = MUSTER_UNAUTHENTICATED;
        struct muster_caller *caller =
            status == MUSTER_OK ? fuzz_host_caller(&fuzz->host, how % 4 == 1) : NULL;
        resp_door_authenticated(&fuzz->door, question.context, status, caller, message);
    }
}

/* As the host does: only what is subscribed, once for each way in which it is. */
static void publish(struct fuzz *fuzz, uint8_t which) {
    static const char *const channels[] = {"events:session:a", "events:session:ab",
                                           "events:instances", "events:coordinator"};
    if (fuzz->host.channel_count == 0)
        return;
    const struct fuzz_channel *channel = &fuzz->host.channels[which % fuzz->host.channel_count];
    const struct muster_event event = {
        .channel = channel->pattern ? channels[which / 16 % 4] : channel->name,
        .payload = "{\"event\":\"x\"}\r\n",
        .length = which % 16,
        .pattern = channel->pattern ? channel->name : NULL,
    };
    resp_door_message(&fuzz->door, &event);
}

static void confirm(struct fuzz *fuzz) {
    fuzz->host.confirmed = fuzz->host.wanted;
    resp_door_subscribed(&fuzz->door, fuzz->host.confirmed);
}

/* ---- invariants ---- */

static void check_counts(struct fuzz *fuzz) {
    const int64_t *counts = fuzz->door.counts.values;
    int64_t pending = 0;
    int64_t output = 0;
    int64_t subscriptions = 0;
    int64_t lifelines = 0;
    for (size_t i = 0; i < SESSIONS; i++) {
        const struct resp_session *session = fuzz->sessions[i];
        if (session == NULL)
            continue;
        pending += (int64_t)session->pending;
        output += (int64_t)session->counted;
        subscriptions += (int64_t)(session->channels + session->patterns);
        lifelines += (int64_t)session->lifeline_count;
        fuzz_demand(session->pending <= fuzz->door.settings.max_pending, "max_pending");
        fuzz_demand(session->channels + session->patterns <= fuzz->door.settings.max_subscriptions,
                    "max_subscriptions");
        fuzz_demand(session->counted <= fuzz->door.settings.max_output ||
                        session->ending == RESP_OVER,
                    "max_output");
    }
    fuzz_demand(counts[RESP_COUNT_PENDING] == pending, "the count of what is pending");
    fuzz_demand(counts[RESP_COUNT_OUTPUT] == output, "the count of output");
    fuzz_demand(counts[RESP_COUNT_SUBSCRIPTIONS] == subscriptions, "the count of subscriptions");
    fuzz_demand(counts[RESP_COUNT_LIFELINES] == lifelines, "the count of lifelines");
}

/* Everybody answers, everybody reads, until nothing moves; then nothing may be owed. */
static void settle(struct fuzz *fuzz) {
    fuzz->host.submits = MUSTER_OK;
    for (bool moved = true; moved;) {
        moved = false;
        while (fuzz->host.count > 0) {
            answer(fuzz, fuzz->host.count - 1, 2);
            moved = true;
        }
        confirm(fuzz);
        for (size_t i = 0; i < SESSIONS; i++) {
            struct resp_session *session = fuzz->sessions[i];
            if (session->ending == RESP_OVER)
                continue;
            fuzz_client_reads(&fuzz->clients[i], SIZE_MAX);
            if (resp_session_runnable(session)) {
                resp_session_run(session);
                moved = true;
            }
        }
    }
    check_counts(fuzz);
    for (size_t i = 0; i < SESSIONS; i++) {
        const struct resp_session *session = fuzz->sessions[i];
        const struct fuzz_client *client = &fuzz->clients[i];
        if (session->ending == RESP_OVER)
            continue;
        fuzz_demand(session->pending == 0 && session->first == NULL && session->group == NULL,
                    "all is answered");
        fuzz_demand(client->length == 0, "all that came is whole");
        fuzz_demand(resp_session_backlog(session) == 0, "all is sent");
        if (fuzz->door.stopping || client->over)
            continue;
        fuzz_demand(session->left == 0 && !session->held && resp_session_reads(session),
                    "it reads on");
        fuzz_demand(client->first == client->count && client->confirmations == 0,
                    "nothing is owed");
    }
}

/* ---- the script ---- */

static void step(struct fuzz *fuzz) {
    uint8_t what = next(fuzz);
    size_t index = what / 16 % SESSIONS;
    struct resp_session *session = fuzz->sessions[index];
    uint8_t number = next(fuzz);
    switch (what % 16) {
    case 0: /* anything at all */
    case 1:
        number = number < fuzz->left ? number : (uint8_t)fuzz->left;
        feed(fuzz, index, (const char *)fuzz->data, number, false);
        fuzz->data += number;
        fuzz->left -= number;
        break;
    case 2:
    case 3:
    case 4:
        feed(fuzz, index, lines[number % LINES], strlen(lines[number % LINES]), true);
        break;
    case 5: /* many at once, the last one perhaps cut */
    {
        char text[4096];
        size_t length = 0;
        const char *line = lines[number % LINES];
        while (length + strlen(line) <= sizeof text && length < (size_t)number * 16) {
            memcpy(text + length, line, strlen(line));
            length += strlen(line);
        }
        feed(fuzz, index, text, length > number % 7u ? length - number % 7u : 0, false);
        break;
    }
    case 6:
    case 7:
    case 8:
        if (fuzz->host.count > 0) {
            size_t last = fuzz->host.count - 1;
            answer(fuzz, number % 2 == 0 ? last : number % fuzz->host.count, next(fuzz));
        }
        break;
    case 9:
        if (resp_session_runnable(session))
            resp_session_run(session);
        break;
    case 10:
        if (session->ending != RESP_OVER)
            fuzz_client_reads(&fuzz->clients[index], number);
        break;
    case 11:
        publish(fuzz, number);
        break;
    case 12:
        resp_door_resync(&fuzz->door);
        fuzz->host.now += number;
        resp_rate_sweep(&fuzz->door);
        resp_groups_sweep(&fuzz->door);
        break;
    case 13: /* the peer is gone, or this side closes; another one comes */
        if (number % 2 == 0)
            resp_session_hung_up(session);
        if (number % 4 == 1)
            resp_session_abandon(session);
        close_session(fuzz, index);
        open_session(fuzz, index);
        break;
    case 14:
        fuzz->host.submits = number % 4 == 0   ? MUSTER_UNAVAILABLE
                             : number % 4 == 1 ? MUSTER_OVERLOADED
                                               : MUSTER_OK;
        fuzz->host.slow = number % 8 >= 4;
        break;
    case 15:
    default:
        if (number == 255)
            settle(fuzz);
        else if (number % 8 == 1)
            confirm(fuzz);
        else if (number % 8 == 2)
            fuzz->host.now += 2500;
        break;
    }
    if (resp_session_over(fuzz->sessions[index])) {
        close_session(fuzz, index);
        open_session(fuzz, index);
    }
    check_counts(fuzz);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz *fuzz = calloc(1, sizeof *fuzz);
    if (fuzz == NULL)
        abort();
    fuzz->data = data;
    fuzz->left = size;
    fuzz->host.now = 1000;
    uint8_t flags = next(fuzz);
    const struct resp_settings settings = {
        .parser = {.arguments = 16, .argument = 256, .request = 1024, .inline_line = 256},
        .max_pending = 4,
        .max_pending_total = 10,
        .max_output = 65536,
        .max_output_total = 131072,
        .max_sockets = SESSIONS,
        .rate = flags % 4 == 0 ? 50 : 0,
        .rate_burst = flags % 4 == 0 ? 5 : 0,
        .max_subscriptions = 6,
    };
    resp_door_init(&fuzz->door, &fuzz->host, &fuzz_host, &settings);
    for (size_t i = 0; i < SESSIONS; i++)
        open_session(fuzz, i);
    if (flags % 8 == 1)
        resp_session_certify(fuzz->sessions[0], "CN=somebody");
    while (fuzz->left > 0)
        step(fuzz);
    settle(fuzz);
    if (flags >= 128) { /* the door stops, with something under way */
        for (size_t i = 0; i < SESSIONS; i++)
            feed(fuzz, i, lines[4], strlen(lines[4]), false);
        fuzz->door.stopping = true;
        for (size_t i = 0; i < SESSIONS; i++)
            resp_session_finish(fuzz->sessions[i]);
        if (flags % 2 == 0)
            settle(fuzz);
        else
            for (size_t i = 0; i < SESSIONS; i++)
                resp_session_abandon(fuzz->sessions[i]);
    }
    for (size_t i = 0; i < SESSIONS; i++)
        close_session(fuzz, i);
    fuzz_demand(fuzz->host.count == 0 && fuzz->host.callers == 0 && fuzz->host.channel_count == 0,
                "nothing of the host is held");
    fuzz_demand(fuzz->door.counts.values[RESP_COUNT_PENDING] == 0 &&
                    fuzz->door.counts.values[RESP_COUNT_OUTPUT] == 0,
                "nothing is counted");
    resp_door_deinit(&fuzz->door);
    free(fuzz);
    return 0;
}
