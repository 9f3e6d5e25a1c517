/* status.c - is the cluster healthy, and how large is it.
 *
 * Read with plain commands, so it works while no coordinator has confirmed the data; the library's
 * version alone takes a function, one that answers always.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "json_out.h"
#include "lease.h"
#include "table.h"

#define INSTANCES_MAX 20000 /* above that, connections are said to be "at least" */
#define BATCH 500

struct status {
    char redis_version[32];
    char run_id[64];
    char maxmemory_policy[32];
    char *generation; /* NULL: none */
    bool confirmed;
    int64_t epoch; /* -1: none */
    char *holder;  /* NULL: no coordinator */
    char *address;
    int64_t lease_ms;
    int64_t library; /* -1: not loaded */
    int64_t min_reader;
    int64_t up, suspect, draining;
    int64_t sessions, connections, leaderless, quarantine;
    bool connections_capped;
    int64_t now;
    redisReply *daemons; /* id, and what it says of itself */
    redisReply *ghosts;  /* with scores */
    int64_t *ghost_sizes;
    size_t problem_count;
    const char *problems[8];
};

static void info_field(const char *info, const char *name, char *out, size_t size) {
    size_t length = strlen(name);
    out[0] = '\0';
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            snprintf(out, size, "%.*s", (int)strcspn(line + length + 1, "\r\n"), line + length + 1);
            return;
        }
    }
}

static void read_server(struct mu_ctl *ctl, struct status *status) {
    redisReply *reply = mu_ask(ctl, "INFO server");
    info_field(mu_reply_text(reply), "redis_version", status->redis_version,
               sizeof status->redis_version);
    info_field(mu_reply_text(reply), "run_id", status->run_id, sizeof status->run_id);
    freeReplyObject(reply);
    reply = mu_ask(ctl, "INFO memory");
    info_field(mu_reply_text(reply), "maxmemory_policy", status->maxmemory_policy,
               sizeof status->maxmemory_policy);
    freeReplyObject(reply);
    status->now = mu_ask_now(ctl);
}

static int64_t number_in(const char *json, const char *name) {
    const char *at = strstr(json, name);
    return at != NULL ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static void read_library(struct mu_ctl *ctl, struct status *status) {
    redisReply *reply = mu_ask(ctl, "FCALL muster_version 1 {%s}", ctl->name_space);
    status->library = number_in(mu_reply_text(reply), "\"version\":");
    status->min_reader = number_in(mu_reply_text(reply), "\"min_reader\":");
    freeReplyObject(reply);
}

static void read_coordination(struct mu_ctl *ctl, struct status *status) {
    const char *ns = ctl->name_space;
    struct mu_ctl_lease lease;
    const char *wrong = NULL;
    mu_send(ctl, "HMGET {%s}:config generation run", ns);
    mu_send(ctl, "GET {%s}:epoch", ns);
    mu_send(ctl, "GET {%s}:coordinator", ns);
    mu_send(ctl, "PTTL {%s}:coordinator", ns);
    redisReply *config = mu_receive(ctl);
    redisReply *epoch = mu_receive(ctl);
    redisReply *holder = mu_receive(ctl);
    redisReply *ttl = mu_receive(ctl);

    if (mu_reply_is_text(mu_reply_at(config, 0))) {
        status->generation = mu_strdup(mu_reply_text(mu_reply_at(config, 0)));
        /* What a coordinator confirmed is known to Redis's library alone; it does so for one run
         * of Redis, which it writes down, perhaps with its promotion behind a dot. */
        const char *run = mu_reply_text(mu_reply_at(config, 1));
        size_t length = strlen(status->run_id);
        status->confirmed = length > 0 && strncmp(status->run_id, run, length) == 0 &&
                            (run[length] == '\0' || run[length] == '.');
    }
    status->epoch = mu_reply_number(epoch, -1);
    if (mu_reply_is_text(holder) &&
        mu_ctl_lease_parse(holder->str, (size_t)holder->len, &lease, &wrong)) {
        status->holder = mu_strndup(lease.id, lease.id_length);
        status->address = mu_strndup(lease.address, lease.address_length);
        status->lease_ms = mu_reply_number(ttl, 0);
    }
    freeReplyObject(config);
    freeReplyObject(epoch);
    freeReplyObject(holder);
    freeReplyObject(ttl);
}

static void read_instances(struct mu_ctl *ctl, struct status *status) {
    const char *ns = ctl->name_space;
    redisReply *list = mu_ask(ctl, "ZRANGE {%s}:instances 0 %d", ns, INSTANCES_MAX);
    size_t count = mu_reply_count(list);
    if (count > INSTANCES_MAX) {
        count = INSTANCES_MAX;
        status->connections_capped = true;
    }
    for (size_t from = 0; from < count && !ctl->lost; from += BATCH) {
        size_t to = from + BATCH < count ? from + BATCH : count;
        for (size_t i = from; i < to; i++) {
            const redisReply *id = list->element[i];
            mu_send(ctl, "HMGET {%s}:instance:%b state draining", ns, id->str, (size_t)id->len);
            mu_send(ctl, "HLEN {%s}:instance:%b:connections", ns, id->str, (size_t)id->len);
        }
        for (size_t i = from; i < to; i++) {
            redisReply *fields = mu_receive(ctl);
            redisReply *length = mu_receive(ctl);
            bool suspect = strcmp(mu_reply_text(mu_reply_at(fields, 0)), "suspect") == 0;
            bool draining = strcmp(mu_reply_text(mu_reply_at(fields, 1)), "1") == 0;
            status->up += !suspect;
            status->suspect += suspect;
            status->draining += draining;
            status->connections += mu_reply_number(length, 0);
            freeReplyObject(fields);
            freeReplyObject(length);
        }
    }
    freeReplyObject(list);
}

static int64_t integer(struct mu_ctl *ctl) {
    redisReply *reply = mu_receive(ctl);
    int64_t number = mu_reply_number(reply, 0);
    freeReplyObject(reply);
    return number;
}

static void read_counts(struct mu_ctl *ctl, struct status *status) {
    const char *ns = ctl->name_space;
    mu_send(ctl, "ZCARD {%s}:sessions", ns);
    mu_send(ctl, "SCARD {%s}:leaderless", ns);
    mu_send(ctl, "HLEN {%s}:quarantine", ns);
    status->sessions = integer(ctl);
    status->leaderless = integer(ctl);
    status->quarantine = integer(ctl);

    status->daemons = mu_ask(ctl, "HGETALL {%s}:daemons", ns);
    status->ghosts = mu_ask(ctl, "ZRANGE {%s}:ghosts 0 -1 WITHSCORES", ns);
    size_t count = mu_reply_count(status->ghosts) / 2;
    status->ghost_sizes = mu_calloc(count + 1, sizeof *status->ghost_sizes);
    for (size_t i = 0; i < count; i++) {
        const redisReply *name = status->ghosts->element[2 * i];
        mu_send(ctl, "HLEN {%s}:ghosts:%b", ns, name->str, (size_t)name->len);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t length = integer(ctl);
        status->ghost_sizes[i] = length > 0 ? length - 1 : 0; /* without #reason */
    }
}

static void judge(struct status *status) {
    struct {
        bool is;
        const char *what;
    } problems[] = {
        {status->holder == NULL,
         "no coordinator holds the lease: nobody detects dead instances; start musterd"},
        {status->library < 0,
         "the functions library is not loaded: every call fails; start musterd, which loads it"},
        {status->generation == NULL,
         "no generation: no coordinator has set up this namespace yet; start musterd"},
        {status->generation != NULL && !status->confirmed,
         "the data is not confirmed since Redis started: calls are answered UNAVAILABLE until a "
         "coordinator comes by"},
        {status->quarantine > 0,
         "records lie in quarantine because they could not be read; see musterctl fsck"},
        {status->maxmemory_policy[0] != '\0' && strcmp(status->maxmemory_policy, "noeviction") != 0,
         "maxmemory-policy is not noeviction: Redis may throw data away; set it to noeviction"},
    };
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (problems[i].is) {
            status->problems[status->problem_count++] = problems[i].what;
        }
    }
}

static int64_t ghost_remaining(const struct status *status, size_t i) {
    int64_t due = (int64_t)strtod(status->ghosts->element[2 * i + 1]->str, NULL);
    return due > status->now ? due - status->now : 0;
}

/* One line of the hash `daemons`. */
struct daemon {
    json_t *about;
    const char *id, *version;
    int64_t library; /* that it brings along; -1: it does not say */
};

static struct daemon read_daemon(const struct status *status, size_t i) {
    const redisReply *text = status->daemons->element[2 * i + 1];
    struct daemon one = {.about = json_loadb(text->str, (size_t)text->len, 0, NULL),
                         .id = status->daemons->element[2 * i]->str,
                         .library = -1};
    const char *version = json_string_value(json_object_get(one.about, "version"));
    const json_t *library = json_object_get(one.about, "library");
    one.version = version != NULL ? version : "unknown";
    one.library = json_is_integer(library) ? json_integer_value(library) : -1;
    return one;
}

static void put_daemons(struct mu_buffer *out, const struct status *status) {
    mu_json_open(out, "daemons", '[');
    for (size_t i = 0; i < mu_reply_count(status->daemons) / 2; i++) {
        struct daemon one = read_daemon(status, i);
        mu_json_open(out, NULL, '{');
        mu_json_string(out, "id", one.id);
        mu_json_string(out, "version", one.version);
        if (one.library >= 0) {
            mu_json_number(out, "library", one.library);
        }
        mu_json_close(out, '}');
        json_decref(one.about);
    }
    mu_json_close(out, ']');
}

static void print_daemons(const struct status *status) {
    for (size_t i = 0; i < mu_reply_count(status->daemons) / 2; i++) {
        struct daemon one = read_daemon(status, i);
        printf("%-13s%s %s", i == 0 ? "daemons" : "", one.id, one.version);
        if (one.library >= 0) {
            printf(" with library %" PRId64, one.library);
        }
        printf("\n");
        json_decref(one.about);
    }
}

static void print_json(const struct mu_ctl *ctl, const struct status *status) {
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "namespace", ctl->name_space);
    mu_json_string(&out, "version", MUSTER_VERSION);
    mu_json_open(&out, "redis", '{');
    mu_json_string(&out, "address", ctl->where);
    mu_json_string(&out, "version", status->redis_version);
    mu_json_string(&out, "run_id", status->run_id);
    mu_json_close(&out, '}');
    if (status->library < 0) {
        mu_json_string(&out, "library", NULL);
    } else {
        mu_json_open(&out, "library", '{');
        mu_json_number(&out, "version", status->library);
        mu_json_number(&out, "min_reader", status->min_reader);
        mu_json_close(&out, '}');
    }
    mu_json_string(&out, "generation", status->generation);
    mu_json_bool(&out, "confirmed", status->confirmed);
    if (status->epoch < 0) {
        mu_json_string(&out, "epoch", NULL);
    } else {
        mu_json_number(&out, "epoch", status->epoch);
    }
    if (status->holder == NULL) {
        mu_json_string(&out, "coordinator", NULL);
    } else {
        mu_json_open(&out, "coordinator", '{');
        mu_json_string(&out, "id", status->holder);
        mu_json_string(&out, "address", status->address);
        mu_json_number(&out, "lease_ms", status->lease_ms);
        mu_json_close(&out, '}');
    }
    put_daemons(&out, status);
    mu_json_open(&out, "instances", '{');
    mu_json_number(&out, "up", status->up);
    mu_json_number(&out, "suspect", status->suspect);
    mu_json_number(&out, "draining", status->draining);
    mu_json_close(&out, '}');
    mu_json_number(&out, "sessions", status->sessions);
    mu_json_number(&out, "connections", status->connections);
    mu_json_bool(&out, "connections_capped", status->connections_capped);
    mu_json_number(&out, "ghosts", (int64_t)(mu_reply_count(status->ghosts) / 2));
    mu_json_open(&out, "ghost_list", '[');
    for (size_t i = 0; i < mu_reply_count(status->ghosts) / 2; i++) {
        mu_json_open(&out, NULL, '{');
        mu_json_text(&out, "ghost", status->ghosts->element[2 * i]->str,
                     (size_t)status->ghosts->element[2 * i]->len);
        mu_json_number(&out, "connections", status->ghost_sizes[i]);
        mu_json_number(&out, "remaining_ms", ghost_remaining(status, i));
        mu_json_close(&out, '}');
    }
    mu_json_close(&out, ']');
    mu_json_number(&out, "leaderless", status->leaderless);
    mu_json_number(&out, "quarantine", status->quarantine);
    mu_json_open(&out, "problems", '[');
    for (size_t i = 0; i < status->problem_count; i++) {
        mu_json_string(&out, NULL, status->problems[i]);
    }
    mu_json_close(&out, ']');
    mu_json_bool(&out, "healthy", status->problem_count == 0);
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_deinit(&out);
}

static void print_text(const struct mu_ctl *ctl, const struct status *status) {
    char age[MU_AGE_SIZE];
    printf("namespace    %s\n", ctl->name_space);
    printf("redis        %s at %s\n", status->redis_version, ctl->where);
    if (status->library >= 0) {
        printf("library      version %" PRId64 "\n", status->library);
    } else {
        printf("library      not loaded\n");
    }
    printf("generation   %s%s\n", status->generation != NULL ? status->generation : "none",
           status->generation == NULL ? ""
           : status->confirmed        ? ", confirmed"
                                      : ", NOT confirmed");
    if (status->epoch >= 0) {
        printf("epoch        %" PRId64 "\n", status->epoch);
    }
    if (status->holder != NULL) {
        printf("coordinator  %s%s%s, lease for %s more\n", status->holder,
               status->address[0] != '\0' ? " at " : "", status->address,
               mu_age(age, status->lease_ms));
    } else {
        printf("coordinator  none\n");
    }
    print_daemons(status);
    printf("instances    %" PRId64 " up, %" PRId64 " suspect, %" PRId64 " draining\n", status->up,
           status->suspect, status->draining);
    printf("sessions     %" PRId64 ", %" PRId64 " without a leader\n", status->sessions,
           status->leaderless);
    printf("connections  %s%" PRId64 "\n", status->connections_capped ? "at least " : "",
           status->connections);
    printf("ghosts       %zu\n", mu_reply_count(status->ghosts) / 2);
    for (size_t i = 0; i < mu_reply_count(status->ghosts) / 2; i++) {
        printf("             %s, %" PRId64 " connections, reaped in %s\n",
               status->ghosts->element[2 * i]->str, status->ghost_sizes[i],
               mu_age(age, ghost_remaining(status, i)));
    }
    if (status->quarantine > 0) {
        printf("quarantine   %" PRId64 "\n", status->quarantine);
    }
    printf("health       %s\n", status->problem_count == 0 ? "fine" : "NOT fine");
    for (size_t i = 0; i < status->problem_count; i++) {
        printf("             %s\n", status->problems[i]);
    }
}

enum mu_ctl_exit mu_ctl_status(struct mu_ctl *ctl) {
    struct status status = {.epoch = -1, .library = -1};
    read_server(ctl, &status);
    read_library(ctl, &status);
    read_coordination(ctl, &status);
    read_instances(ctl, &status);
    read_counts(ctl, &status);
    judge(&status);
    if (!ctl->lost) {
        if (ctl->options->json) {
            print_json(ctl, &status);
        } else {
            print_text(ctl, &status);
        }
    }
    freeReplyObject(status.daemons);
    freeReplyObject(status.ghosts);
    free(status.ghost_sizes);
    free(status.generation);
    free(status.holder);
    free(status.address);
    if (ctl->lost) {
        return MU_CTL_UNREACHABLE;
    }
    return status.problem_count == 0 ? MU_CTL_FINE : MU_CTL_NO;
}
