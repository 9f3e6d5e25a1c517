/* contract.h - what every transport must do, as tests that know nothing of any.
 *
 * A transport is described by a struct mt_door: how a daemon is told to load it, and a client that
 * can open, send one request, receive one answer, close, and die. mt_contract_run() runs all cases
 * on it, each with a Redis and a daemon of its own. A test program of a transport is a main() that
 * calls it (tests/contract/test_pubsub.c).
 *
 * A client sends and receives without blocking for long: waiting for answers, matching them by id
 * and giving up belongs to the suite. Where a door keeps connections, send() connects again by
 * itself when the last one broke.
 */
#ifndef MT_CONTRACT_H
#define MT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/daemon.h"
#include "lib/server.h"
#include "muster/status.h"

/* What one case stands on. */
struct mt_stand {
    const struct mt_door *door;
    struct mt_world *world;
    struct mt_server *server;
    struct mt_redis *redis; /* for FCALLs beside the door, and looks at the data */
    const char *const *set; /* further `key=value` for the daemons, ended by NULL; or NULL */
    struct mt_process *daemons[4];
    size_t daemon_count;
    unsigned long next_id; /* of requests */
    struct mt_kept *kept;  /* texts and values that live as long as the stand */
};

struct mt_argument {
    const char *data;
    size_t length;
    bool object; /* a JSON object, to be sent as one where the door can */
};

struct mt_request {
    const char *id; /* plain letters and digits */
    const char *operation;
    const struct mt_argument *arguments;
    size_t count;
    uint64_t timeout_ms; /* 0: none said; a door that has no such field ignores it */
};

/* Texts are the receiver's; see mt_answer_deinit(). */
struct mt_answer {
    char *id; /* NULL: the answer has none (null) */
    enum muster_status status;
    char *json;    /* of MUSTER_OK: the very bytes that came, else NULL */
    char *message; /* of an error, else NULL */
    bool retry;
};

/* One requester. Each door defines it for itself. */
struct mt_client;

struct mt_door {
    const char *name; /* for test names: "pubsub" */
    /* Absolute path of the plugin, and its `config:` for the daemon named `daemon` as a YAML flow
     * mapping, such as "{}"; the text lives as long as the world. */
    const char *plugin;
    const char *(*config)(struct mt_stand *stand, const char *daemon);
    /* Served by every daemon? Otherwise only by the one that coordinates. */
    bool every_daemon;
    /* A connection logs in once, and its answers come in the order of the requests: one that waits
     * holds up those behind it, and who is not known does not get in at all. */
    bool logs_in;

    /* `instance`: whose requests they are, and whose inbox where that matters. `token` NULL:
     * anonymous. Need not connect to anything yet. */
    struct mt_client *(*open)(struct mt_stand *stand, const char *instance, const char *token);
    /* False: nobody can be reached now, and nothing was sent. */
    bool (*send)(struct mt_client *client, const struct mt_request *request);
    /* Bytes as one message or line, without looking at them. May be NULL. */
    bool (*send_raw)(struct mt_client *client, const char *bytes, size_t length);
    /* Waits for at most some 20 ms. False: no answer yet. */
    bool (*receive)(struct mt_client *client, struct mt_answer *answer);
    /* In an orderly way; frees it and clears the pointer. */
    void (*close)(struct mt_client **client);
    /* As if its process were killed. */
    void (*vanish)(struct mt_client **client);
};

/* Runs all cases; the exit code of a test program. */
int mt_contract_run(const struct mt_door *door);

/* ---- for the cases, and for tests of one door alone ---- */

/* A Redis; no daemon yet. `set` is not copied. */
struct mt_stand *mt_stand_create(const struct mt_door *door, const char *const *set);
void mt_stand_destroy(struct mt_stand **stand);
/* Starts a daemon with the door and the rules (rules/rules.c) loaded. `rules` decide about
 * everything; without them everything is allowed. */
struct mt_process *mt_stand_daemon(struct mt_stand *stand, const char *name, bool rules);
/* The same, and waits until it coordinates confirmed data. */
struct mt_process *mt_stand_lead(struct mt_stand *stand, const char *name, bool rules);
/* Sends SIGTERM and demands a clean end, of the plugins too. */
void mt_stand_stop(struct mt_stand *stand, struct mt_process *daemon);

/* Takes the text over; it lives as long as the stand. */
const char *mt_keep_text(struct mt_stand *stand, char *text);
/* An argument; one that begins with `{` is an object. */
struct mt_argument mt_argument(const char *text);
/* A fresh id, as long as the stand. */
const char *mt_next_id(struct mt_stand *stand);
/* Sends `operation` with texts ended by NULL; returns the id. Waits until somebody can be reached.
 */
const char *mt_post(struct mt_stand *stand, struct mt_client *client, const char *operation,
                    const char *const texts[]);
void mt_post_request(struct mt_stand *stand, struct mt_client *client,
                     const struct mt_request *request);
/* Waits for the answer with this id. Answers with another one fail the test. */
void mt_await(struct mt_stand *stand, struct mt_client *client, const char *id,
              struct mt_answer *answer);
void mt_answer_deinit(struct mt_answer *answer);

/* Asks and waits: the JSON of the answer, which must be a good one. Lives as long as the stand. */
#define mt_ask(stand, client, operation, ...)                                                      \
    mt_ask_at((stand), (client), __FILE__, __LINE__, (operation),                                  \
              (const char *const[]){__VA_ARGS__, NULL})
const char *mt_ask_at(struct mt_stand *stand, struct mt_client *client, const char *file, int line,
                      const char *operation, const char *const texts[]);
/* Asks and waits: the answer must be this error; its sentence, as long as the stand. */
#define mt_turned_down(stand, client, status, operation, ...)                                      \
    mt_turned_down_at((stand), (client), __FILE__, __LINE__, (status), (operation),                \
                      (const char *const[]){__VA_ARGS__, NULL})
const char *mt_turned_down_at(struct mt_stand *stand, struct mt_client *client, const char *file,
                              int line, enum muster_status status, const char *operation,
                              const char *const texts[]);
/* No answer is on its way: asks once more, and nothing else may come before that answer. */
void mt_expect_silence(struct mt_stand *stand, struct mt_client *client);
/* Parsed; lives as long as the stand. */
const json_t *mt_parsed(struct mt_stand *stand, const char *json);
/* FCALL muster_<operation in lower case>: the very bytes of its reply, or of its error (*error). */
const char *mt_fcall(struct mt_stand *stand, const char *operation, const char *const texts[],
                     bool *error);
/* Asks again and again until an answer is good: daemons come and go meanwhile. */
const char *mt_ask_until(struct mt_stand *stand, struct mt_client *client, const char *operation,
                         const char *const texts[]);

#endif
