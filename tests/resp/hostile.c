#include "resp/hostile.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "lib/wait.h"

int hostile_set_up(void **state) {
    struct hostile *hostile = calloc(1, sizeof *hostile);
    assert_non_null(hostile);
    signal(SIGPIPE, SIG_IGN);
    hostile->world = mt_world_create();
    hostile->server = mt_server_start(hostile->world, "redis", MT_SERVER_VOLATILE, NULL);
    *state = hostile;
    return 0;
}

int hostile_tear_down(void **state) {
    struct hostile *hostile = *state;
    peer_close(&hostile->fine);
    mt_server_free(&hostile->server);
    mt_world_destroy(&hostile->world);
    free(hostile);
    return 0;
}

void hostile_start(struct hostile *hostile, const char *settings) {
    char load[1024];
    int length = snprintf(load, sizeof load,
                          "plugins.load=[{name: transport_resp, config: {listen: "
                          "[\"127.0.0.1:0\"]%s%s}}]",
                          settings[0] != '\0' ? ", " : "", settings);
    assert_in_range(length, 1, sizeof load - 1);
    const char *const set[] = {"detector.suspect_after=1h", "detector.dead_after=2h",
                               "authorization.default=allow", load, NULL};
    hostile->daemon =
        mt_daemon_start(hostile->world, "daemon",
                        &(struct mt_daemon_options){.server = hostile->server, .set = set});
    hostile->address = resp_listening(hostile->world, hostile->daemon);
    free(mt_process_wait_line(hostile->daemon, MT_STDERR, "\"event\":\"data."));
    hostile->fine = hostile_peer(hostile);
    hostile_check(hostile);
}

struct peer *hostile_peer(const struct hostile *hostile) {
    return peer_open(hostile->world, hostile->address);
}

void hostile_check(const struct hostile *hostile) {
    assert_true(peer_say(hostile->fine, "PING\r\nCOUNT nowhere\r\n"));
    peer_expect(hostile->fine, "+PONG\r\n:0\r\n");
}

/* A whole bulk string has come. */
static bool is_whole(const struct peer *peer) {
    const char *text = peer->input != NULL ? strstr(peer->input, "\r\n") : NULL;
    return text != NULL && peer->input[0] == '$' &&
           peer->length >= (size_t)(text + 4 - peer->input) + strtoull(peer->input + 1, NULL, 10);
}

/* Asks nothing beside it: a reply that waits would be output. */
long long hostile_metric(const struct hostile *hostile, const char *name) {
    char wanted[128];
    struct peer *fine = hostile->fine;
    snprintf(wanted, sizeof wanted, "\nmuster_plugin_transport_resp_%s ", name);
    peer_say(fine, "METRICS\r\n");
    struct mt_wait wait = mt_wait_begin(hostile->world, "metrics", __FILE__, __LINE__);
    while (!is_whole(fine)) {
        if (!peer_read(fine))
            mt_wait_step(&wait);
    }
    const char *at = strstr(fine->input, wanted);
    if (at == NULL)
        mt_fail(hostile->world, "no metric %s in %s", name, fine->input);
    fine->length = 0; /* there is nothing behind it */
    return strtoll(at + strlen(wanted), NULL, 10);
}

void hostile_await(const struct hostile *hostile, const char *name, long long value) {
    MT_WAIT(hostile->world, hostile_metric(hostile, name) == value, name);
}

long hostile_memory(const struct hostile *hostile) {
    char path[64];
    char line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)mt_process_pid(hostile->daemon));
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    }
    fclose(file);
    assert_true(kib > 0);
    return kib;
}

void hostile_bound(const struct hostile *hostile, long before, long most_kib) {
    long after = hostile_memory(hostile);
    if (mt_slowness() == 1 && after - before >= most_kib)
        mt_fail(hostile->world, "the daemon grew from %ld to %ld KiB, allowed are %ld", before,
                after, most_kib);
}
