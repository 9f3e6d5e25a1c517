#include "lib/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "lib/wait.h"

enum { MOST_WORDS = 64 };

static void write_config(const char *path, const char *name, const char *state_dir,
                         const struct mt_server *server) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "namespace: %s\nstate_dir: %s\nredis:\n", MT_NAMESPACE, state_dir);
    if (server != NULL)
        fprintf(file, "  mode: external\n  url: %s\n", mt_server_url(server));
    else
        fprintf(file, "  mode: managed\n");
    fprintf(file, "coordinator:\n  id: %s\nlog:\n  level: debug\n  format: json\n", name);
    assert_int_equal(fclose(file), 0);
}

struct mt_process *mt_daemon_start(struct mt_world *world, const char *name,
                                   const struct mt_daemon_options *options) {
    const char *config = mt_world_path(world, "%s.yaml", name);
    const char *state_dir =
        options->state_dir != NULL ? options->state_dir : mt_world_path(world, "%s.state", name);
    const char *argv[MOST_WORDS] = {options->program, "--config", config};
    size_t count = 3;
    if (options->program == NULL)
        argv[0] = MUSTER_BUILD_DIR "/musterd";
    write_config(config, name, state_dir, options->server);
    for (size_t i = 0; options->set != NULL && options->set[i] != NULL; i++) {
        assert_true(count < MOST_WORDS - 2);
        argv[count++] = "--set";
        argv[count++] = options->set[i];
    }
    return mt_process_start(world, name, argv);
}

json_t *mt_daemon_wait(struct mt_process *daemon, const char *event) {
    char needle[128];
    snprintf(needle, sizeof needle, "\"event\":\"%s\"", event);
    char *line = mt_process_wait_line(daemon, MT_STDERR, needle);
    json_t *fields = json_loads(line, 0, NULL);
    if (fields == NULL)
        mt_fail(mt_process_world(daemon), "no JSON in the log: %s", line);
    free(line);
    return fields;
}

void mt_daemon_await(struct mt_process *daemon, const char *event) {
    json_decref(mt_daemon_wait(daemon, event));
}

struct mt_process *mt_daemon_lead(struct mt_world *world, const char *name,
                                  const struct mt_daemon_options *options) {
    struct mt_process *daemon = mt_daemon_start(world, name, options);
    mt_daemon_await(daemon, "lease.acquired");
    char *line =
        mt_process_wait_line(daemon, MT_STDERR, "\"event\":\"data."); /* confirmed or rotated */
    free(line);
    return daemon;
}

static bool read_password(const char *state_dir, char *password, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "%s/redis.password", state_dir);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool fine = fgets(password, (int)size, file) != NULL;
    fclose(file);
    if (fine)
        password[strcspn(password, "\n")] = '\0';
    return fine && password[0] != '\0';
}

struct mt_redis *mt_managed_connect(struct mt_world *world, const char *state_dir) {
    char password[256] = "";
    char path[256];
    MT_WAIT(world, read_password(state_dir, password, sizeof password), "a password file");
    snprintf(path, sizeof path, "%s/redis.sock", state_dir);
    return mt_redis_open(world, path, password);
}

static int run_ctl(struct mt_world *world, const char *option, const char *place,
                   const char *const command[], char **out) {
    const char *argv[MOST_WORDS] = {MUSTER_BUILD_DIR "/musterctl", option, place, "--namespace",
                                    MT_NAMESPACE};
    size_t count = 5;
    for (size_t i = 0; command[i] != NULL; i++) {
        assert_true(count < MOST_WORDS - 1);
        argv[count++] = command[i];
    }
    return mt_process_run(world, "musterctl", argv, out);
}

int mt_ctl(struct mt_world *world, const struct mt_server *server, const char *const command[],
           char **out) {
    return run_ctl(world, "--url", mt_server_url(server), command, out);
}

static void demand_clean(struct mt_world *world, const char *option, const char *place) {
    char *out = NULL;
    int code = run_ctl(world, option, place, (const char *const[]){"fsck", NULL}, &out);
    if (code != 0)
        mt_fail(world, "musterctl fsck: exit code %d\n%s", code, out);
    free(out);
}

void mt_fsck(struct mt_world *world, const struct mt_server *server) {
    demand_clean(world, "--url", mt_server_url(server));
}

void mt_fsck_managed(struct mt_world *world, const char *state_dir) {
    demand_clean(world, "--state-dir", state_dir);
}
