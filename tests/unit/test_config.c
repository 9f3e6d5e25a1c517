/* What is read, what is printed, and that the shipped file is the table of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "config/config.h"
#include "config/keys.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *printed(const struct mu_config *config) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    mu_config_print(config, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static enum muster_status parse(struct mu_config *config, const char *text,
                                struct mu_error *error) {
    return mu_config_parse(config, "a.yaml", text, strlen(text), error);
}

/* Reads `text` into defaults and demands that it is good; for mu_config_deinit(). */
static void good(struct mu_config *config, const char *text) {
    struct mu_error error = {.text = ""};

    mu_config_init(config);
    if (parse(config, text, &error) != MUSTER_OK || mu_config_check(config, &error) != MUSTER_OK) {
        fail_msg("%s\n%s", error.text, text);
    }
}

static void defaults_are_good(void **state) {
    struct mu_config config;

    (void)state;
    good(&config, "");
    assert_string_equal(config.name_space, "muster");
    assert_string_equal(config.state_dir, "/var/lib/muster");
    assert_int_equal(config.redis.mode, MU_REDIS_MANAGED);
    assert_string_equal(config.redis.url, "");
    assert_int_equal(config.redis.managed.port, 0);
    assert_string_equal(config.redis.managed.server, "redis-server");
    assert_string_equal(config.redis.managed.appendfsync, "everysec");
    assert_string_equal(config.redis.managed.on_exit, "stop");
    assert_int_equal(config.redis.connect_timeout_ms, 2000);
    assert_int_equal(config.redis.command_timeout_ms, 5000);
    assert_int_equal(config.redis.retry_min_ms, 50);
    assert_int_equal(config.redis.retry_max_ms, 2000);
    assert_int_equal(config.redis.queue_commands, 100000);
    assert_int_equal(config.redis.queue_bytes, 64 * 1024 * 1024);
    assert_true(mu_id_valid(config.coordinator.id, strlen(config.coordinator.id)));
    assert_null(config.coordinator.advertise);
    assert_int_equal(config.coordinator.advertise_count, 0);
    assert_int_equal(config.coordinator.lease_ms, 3000);
    assert_int_equal(config.coordinator.renew_ms, 1000);
    assert_int_equal(config.detector.heartbeat_ms, 1000);
    assert_int_equal(config.detector.suspect_after_ms, 3000);
    assert_int_equal(config.detector.dead_after_ms, 10000);
    assert_int_equal(config.detector.probe_ms, 200);
    assert_int_equal(config.detector.resume_grace_ms, 5000);
    assert_int_equal(config.scrub.interval_ms, 100);
    assert_int_equal(config.limits.profile, 4096);
    assert_int_equal(config.limits.sessions_per_connection, 128);
    assert_int_equal(config.limits.grace_ms, 300000);
    assert_int_equal(config.limits.journal, 10000);
    assert_int_equal(config.log.level, MU_LOG_INFO);
    assert_int_equal(config.log.format, MU_LOG_LOGFMT);
    mu_config_deinit(&config);
}

static void default_ids_differ(void **state) {
    struct mu_config one, other;

    (void)state;
    mu_config_init(&one);
    mu_config_init(&other);
    assert_string_not_equal(one.coordinator.id, other.coordinator.id);
    mu_config_deinit(&one);
    mu_config_deinit(&other);
}

static void every_type_is_read(void **state) {
    struct mu_config config;

    (void)state;
    good(&config,
         "namespace: 'a|b'\n"
         "state_dir: \"/tmp/x y\"\n"
         "redis:\n"
         "  mode: external\n"
         "  url: redis://u:p@h:1/2\n"
         "  managed: { port: 65535, appendfsync: no, on_exit: keep, server: /r }\n"
         "  connect_timeout: 10ms\n"
         "  command_timeout: 1h\n"
         "  queue_bytes: 1GiB\n"
         "coordinator:\n"
         "  id: c-1\n"
         "  advertise:\n"
         "  - 10.0.0.1:7411\n"
         "  - '[::1]:7411'\n"
         "detector: { heartbeat: 2s, suspect_after: 5m, dead_after: 1d, resume_grace: 0s }\n"
         "limits: { profile: 512, sessions_per_connection: \"7\", grace: 1m }\n"
         "log: { level: error, format: json }\n");
    assert_string_equal(config.name_space, "a|b");
    assert_string_equal(config.state_dir, "/tmp/x y");
    assert_int_equal(config.redis.mode, MU_REDIS_EXTERNAL);
    assert_string_equal(config.redis.url, "redis://u:p@h:1/2");
    assert_int_equal(config.redis.managed.port, 65535);
    assert_string_equal(config.redis.managed.server, "/r");
    assert_string_equal(config.redis.managed.appendfsync, "no");
    assert_string_equal(config.redis.managed.on_exit, "keep");
    assert_int_equal(config.redis.connect_timeout_ms, 10);
    assert_int_equal(config.redis.command_timeout_ms, 3600000);
    assert_int_equal(config.redis.queue_bytes, 1024 * 1024 * 1024);
    assert_string_equal(config.coordinator.id, "c-1");
    assert_int_equal(config.coordinator.advertise_count, 2);
    assert_string_equal(config.coordinator.advertise[0], "10.0.0.1:7411");
    assert_string_equal(config.coordinator.advertise[1], "[::1]:7411");
    assert_int_equal(config.detector.suspect_after_ms, 300000);
    assert_int_equal(config.detector.dead_after_ms, 86400000);
    assert_int_equal(config.detector.resume_grace_ms, 0);
    assert_int_equal(config.limits.profile, 512);
    assert_int_equal(config.limits.sessions_per_connection, 7);
    assert_int_equal(config.limits.grace_ms, 60000);
    assert_int_equal(config.log.level, MU_LOG_ERROR);
    assert_int_equal(config.log.format, MU_LOG_JSON);
    mu_config_deinit(&config);
}

static void what_is_empty_is_default(void **state) {
    static const char *const texts[] = {"",
                                        "# only a comment\n",
                                        "---\n",
                                        "---\n...\n",
                                        "{}",
                                        "redis:\n",
                                        "redis: {}\nlog: ~\n",
                                        "\xEF\xBB\xBF# a mark\n",
                                        "%YAML 1.1\n---\nnamespace: muster\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct mu_config config;

        good(&config, texts[i]);
        assert_string_equal(config.name_space, "muster");
        mu_config_deinit(&config);
    }
}

static void environment_is_expanded(void **state) {
    struct mu_config config;

    (void)state;
    assert_int_equal(setenv("MU_TEST_WORD", "wor$d", 1), 0);
    assert_int_equal(setenv("MU_TEST_EMPTY", "", 1), 0);
    assert_int_equal(setenv("MU_TEST_PORT", "77", 1), 0);
    good(&config, "state_dir: /a/${MU_TEST_WORD}${MU_TEST_EMPTY}/$$x$${y}\n"
                  "redis: {managed: {port: \"${MU_TEST_PORT}\"}}\n"
                  "coordinator: {advertise: ['${MU_TEST_WORD}']}\n");
    assert_string_equal(config.state_dir, "/a/wor$d/$x${y}");
    assert_int_equal(config.redis.managed.port, 77);
    assert_string_equal(config.coordinator.advertise[0], "wor$d");
    mu_config_deinit(&config);
}

static void sets_win_over_the_file(void **state) {
    struct mu_config config;
    struct mu_error error;

    (void)state;
    good(&config, "log: {level: warn}\ncoordinator: {advertise: [a, b]}\n");
    assert_int_equal(mu_config_set(&config, "log.level=debug", &error), MUSTER_OK);
    assert_int_equal(config.log.level, MU_LOG_DEBUG);
    assert_int_equal(mu_config_set(&config, "coordinator.advertise=[x]", &error), MUSTER_OK);
    assert_int_equal(config.coordinator.advertise_count, 1);
    assert_string_equal(config.coordinator.advertise[0], "x");
    assert_int_equal(mu_config_set(&config, "coordinator.advertise=[]", &error), MUSTER_OK);
    assert_int_equal(config.coordinator.advertise_count, 0);
    assert_int_equal(mu_config_set(&config, "redis.url=redis://u:a=b@h", &error), MUSTER_OK);
    assert_string_equal(config.redis.url, "redis://u:a=b@h");
    assert_int_equal(mu_config_set(&config, "redis.url=", &error), MUSTER_OK);
    assert_string_equal(config.redis.url, "");
    assert_int_equal(mu_config_set(&config, "state_dir='/a b'", &error), MUSTER_OK);
    assert_string_equal(config.state_dir, "/a b");
    assert_int_equal(mu_config_set(&config, "coordinator.id=", &error), MUSTER_OK);
    assert_true(mu_id_valid(config.coordinator.id, strlen(config.coordinator.id)));
    assert_int_equal(mu_config_set(&config, "coordinator.renew=5s", &error), MUSTER_OK);
    assert_int_equal(mu_config_check(&config, &error), MUSTER_BAD_REQUEST);
    assert_string_equal(error.text, "--set coordinator.renew: 5s is not shorter than "
                                    "coordinator.lease; allowed is less than 3s");
    mu_config_deinit(&config);
}

static void what_is_printed_reads_again(void **state) {
    static const char *const texts[] = {
        "",
        "namespace: a|b\nstate_dir: \"/tmp/ \\\"q\\\" \\\\ # : ' \xC3\xA4 $${X} $$\"\n",
        "coordinator: {id: x, advertise: ['a:1', \"[::1]:2\", 'true', '~', '#']}\n",
        "redis: {queue_bytes: 65537, managed: {port: 1, on_exit: keep, appendfsync: no}}\n",
        "detector: {heartbeat: 1500ms, suspect_after: 90s, dead_after: 2h, resume_grace: 0ms}\n",
        "redis: {mode: external, url: 'redis://u:p%40$$@h:1/2'}\n",
        "redis: {mode: sentinel, sentinel: {master: m, addresses: ['[::1]:1', b], user: u}}\n",
        "brake: {fraction: 0.125, hold: 0ms}\n",
        "brake: {fraction: 1}\n",
        "log: {level: error, format: json}\nlimits: {profile: 1MiB}\n",
        "plugins: {path: /a, load: [{name: b}, {name: /c.so, config: {x: [1, {y: ~}, '$$'],\n"
        "  token: 'file:/t', url: 'http://u:p@h', 'k e y': \"a\\\"b\"}}], watchdog: 0ms}\n",
        "plugins:\n  load:\n    # - name: nothing\nauthorization: {default: allow, chain: [a, "
        "b]}\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct mu_config config, again;
        char *first, *second;

        good(&config, texts[i]);
        first = printed(&config);
        good(&again, first);
        second = printed(&again);
        assert_string_equal(first, second);
        free(first);
        free(second);
        mu_config_deinit(&config);
        mu_config_deinit(&again);
    }
}

static void what_is_printed_is_the_table(void **state) {
    struct mu_config config;
    char *text;

    (void)state;
    good(&config, "coordinator: {id: me}\n");
    text = printed(&config);
    assert_string_equal(text, "namespace: \"muster\"\n"
                              "state_dir: \"/var/lib/muster\"\n"
                              "redis:\n"
                              "  mode: managed\n"
                              "  url: \"\"\n"
                              "  sentinel:\n"
                              "    master: \"\"\n"
                              "    addresses: []\n"
                              "    user: \"\"\n"
                              "    password: \"\"\n"
                              "  managed:\n"
                              "    port: 0\n"
                              "    server: \"redis-server\"\n"
                              "    appendfsync: everysec\n"
                              "    on_exit: stop\n"
                              "  tls:\n"
                              "    ca: \"\"\n"
                              "    certificate: \"\"\n"
                              "    key: \"\"\n"
                              "    server_name: \"\"\n"
                              "  connect_timeout: 2s\n"
                              "  command_timeout: 5s\n"
                              "  retry_min: 50ms\n"
                              "  retry_max: 2s\n"
                              "  queue_commands: 100000\n"
                              "  queue_bytes: 64MiB\n"
                              "coordinator:\n"
                              "  id: \"me\"\n"
                              "  advertise: []\n"
                              "  lease: 3s\n"
                              "  renew: 1s\n"
                              "detector:\n"
                              "  heartbeat: 1s\n"
                              "  suspect_after: 3s\n"
                              "  dead_after: 10s\n"
                              "  probe: 200ms\n"
                              "  resume_grace: 5s\n"
                              "brake:\n"
                              "  fraction: 0.5\n"
                              "  min_instances: 2\n"
                              "  hold: 10s\n"
                              "  window: 1m\n"
                              "scrub:\n"
                              "  interval: 100ms\n"
                              "limits:\n"
                              "  profile: 4KiB\n"
                              "  sessions_per_connection: 128\n"
                              "  grace: 5m\n"
                              "  journal: 10000\n"
                              "  requests: 100000\n"
                              "  request_bytes: 64MiB\n"
                              "  argument: 64KiB\n"
                              "  request_timeout: 5s\n"
                              "plugins:\n"
                              "  path: []\n"
                              "  load: []\n"
                              "  slow_hook: 5ms\n"
                              "  watchdog: 10s\n"
                              "  stop_timeout: 5s\n"
                              "  work_queue: 64\n"
                              "authorization:\n"
                              "  default: deny\n"
                              "  chain: []\n"
                              "  cache_entries: 10000\n"
                              "metrics:\n"
                              "  listen: \"\"\n"
                              "  allow_remote: false\n"
                              "log:\n"
                              "  level: info\n"
                              "  format: logfmt\n");
    free(text);
    mu_config_deinit(&config);
}

static void passwords_are_not_printed(void **state) {
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"redis://h:1/2", "\"redis://h:1/2\""},
        {"redis://user@h", "\"redis://user@h\""},
        {"redis://:sekret@h", "\"redis://:***@h\""},
        {"redis://u:sekret@h:1/2", "\"redis://u:***@h:1/2\""},
        {"redis://u:sek@sekret@h", "\"redis://u:***@h\""},
        {"redis://u:sek/sekret@h", "\"redis://u:***@h\""},
        {"unix://u:sekret@/a/b?db=1", "\"unix://u:***@/a/b?db=1\""},
        {"unix:///a/b", "\"unix:///a/b\""},
        {"sekret", "\"***\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mu_config config;
        struct mu_error error;
        char text[128];
        char *all;

        mu_config_init(&config);
        /* An id of our own: a random one may spell what must not be there. */
        snprintf(text, sizeof text, "coordinator: { id: one }\nredis:\n  url: \"%s\"\n",
                 cases[i].url);
        assert_int_equal(parse(&config, text, &error), MUSTER_OK);
        all = printed(&config);
        assert_null(strstr(all, "sek"));
        snprintf(text, sizeof text, "\n  url: %s\n", cases[i].shown);
        if (strstr(all, text) == NULL) {
            fail_msg("no line '%s' in\n%s", text, all);
        }
        free(all);
        mu_config_deinit(&config);
    }
}

/* Even where it looks like a URL without a password. */
static void other_secrets_are_not_printed(void **state) {
    struct mu_config config;
    char *all;

    (void)state;
    good(&config, "redis: {sentinel: {password: 'sek://ret'}}\ncoordinator: {id: one}\n");
    assert_string_equal(config.redis.sentinel.password, "sek://ret");
    all = printed(&config);
    assert_null(strstr(all, "sek"));
    assert_non_null(strstr(all, "    password: \"***\"\n"));
    free(all);
    mu_config_deinit(&config);
}

static void the_table_is_in_order(void **state) {
    (void)state;
    for (size_t i = 0; i < mu_config_key_count; i++) {
        const struct mu_config_key *key = &mu_config_keys[i];

        assert_int_equal(mu_config_key_find(key->name), i);
        assert_true(strlen(key->comment) > 0);
        assert_true(key->type != MU_TYPE_ENUM || key->words != NULL);
        assert_true(key->type != MU_TYPE_WORD || key->words != NULL);
        assert_true(key->least <= key->most);
        assert_false(mu_config_key_is_section(key->name));
    }
    assert_true(mu_config_key_is_section("redis.managed"));
    assert_true(mu_config_key_is_section(""));
    assert_false(mu_config_key_is_section("redi"));
}

/* The text of the line at `place` behind "key: ", without comment and quotes. */
static void check_default_at(const char *text, const char *place, const struct mu_config_key *key) {
    const char *numbers = strstr(place, "/muster.yaml:");
    const char *at = text;
    unsigned long line, column;
    size_t length;
    char *end;

    assert_non_null(numbers);
    line = strtoul(numbers + strlen("/muster.yaml:"), &end, 10);
    column = strtoul(end + 1, &end, 10);
    assert_string_equal(end, ": ");
    for (unsigned long i = 1; i < line; i++) {
        at = strchr(at, '\n') + 1;
    }
    at += column - 1;
    length = strcspn(at, "\n");
    if (at[0] == '"') {
        assert_int_equal(at[length - 1], '"');
        at++;
        length -= 2;
    }
    if (strlen(key->fallback) != length || memcmp(at, key->fallback, length) != 0) {
        fail_msg("%s: '%.*s' in etc/muster.yaml, '%s' in the table", key->name, (int)length, at,
                 key->fallback);
    }
}

static char *read_whole(const char *path) {
    FILE *in = fopen(path, "r");
    char *text = mu_calloc(64 * 1024, 1);

    assert_non_null(in);
    assert_true(fread(text, 1, 64 * 1024 - 1, in) > 0);
    fclose(in);
    return text;
}

static void the_shipped_file_has_every_key_and_its_default(void **state) {
    static const char path[] = MUSTER_SOURCE_DIR "/etc/muster.yaml";
    struct mu_config config, defaults;
    struct mu_error error = {.text = ""};
    char *text = read_whole(path);
    char *shipped, *own;

    (void)state;
    mu_config_init(&config);
    if (mu_config_load(&config, path, &error) != MUSTER_OK ||
        mu_config_check(&config, &error) != MUSTER_OK) {
        fail_msg("%s", error.text);
    }
    for (size_t i = 0; i < mu_config_key_count; i++) {
        if (config.origins[i] == NULL) {
            fail_msg("%s is missing in etc/muster.yaml", mu_config_keys[i].name);
        } else if (strcmp(mu_config_keys[i].name, "authorization.default") != 0 &&
                   strcmp(mu_config_keys[i].name, "plugins.load") != 0) {
            check_default_at(text, config.origins[i], &mu_config_keys[i]);
        }
    }
    mu_config_init(&defaults);
    mu_config_set(&config, "coordinator.id=x", NULL);
    mu_config_set(&defaults, "coordinator.id=x", NULL);
    /* What it ships for a newcomer: open, and with a door. */
    assert_int_equal(config.authorization.fallback, MU_DEFAULT_ALLOW);
    mu_config_set(&defaults, "authorization.default=allow", NULL);
    mu_config_set(&config, "plugins.load=[]", NULL);
    shipped = printed(&config);
    own = printed(&defaults);
    assert_string_equal(shipped, own);
    free(shipped);
    free(own);
    free(text);
    mu_config_deinit(&config);
    mu_config_deinit(&defaults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_good),
        cmocka_unit_test(default_ids_differ),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(what_is_empty_is_default),
        cmocka_unit_test(environment_is_expanded),
        cmocka_unit_test(sets_win_over_the_file),
        cmocka_unit_test(what_is_printed_reads_again),
        cmocka_unit_test(what_is_printed_is_the_table),
        cmocka_unit_test(passwords_are_not_printed),
        cmocka_unit_test(other_secrets_are_not_printed),
        cmocka_unit_test(the_table_is_in_order),
        cmocka_unit_test(the_shipped_file_has_every_key_and_its_default),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
