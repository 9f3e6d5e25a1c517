/* What of a new configuration counts at once, and what waits for a restart. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"

#define FRESH 64

struct heard {
    size_t count;
    struct {
        const char *key;
        bool applied;
        char value[128];
    } list[FRESH];
};

static void hear(void *context, const struct mu_config_change *change) {
    struct heard *heard = context;
    assert_true(heard->count < FRESH);
    heard->list[heard->count].key = change->key;
    heard->list[heard->count].applied = change->applied;
    snprintf(heard->list[heard->count].value, sizeof heard->list[0].value, "%s", change->value);
    heard->count++;
}

static void build(struct mu_config *config, const char *const sets[]) {
    struct mu_error error = {0};
    mu_config_init(config);
    for (size_t i = 0; sets[i] != NULL; i++) {
        if (mu_config_set(config, sets[i], &error) != MUSTER_OK)
            fail_msg("%s", error.text);
    }
}

static void the_table_says_only_what_can_be(void **state) {
    (void)state;
    for (size_t i = 0; i < mu_config_key_count; i++) {
        const struct mu_config_key *key = &mu_config_keys[i];
        bool scalar = key->type != MU_TYPE_TEXT && key->type != MU_TYPE_WORD &&
                      key->type != MU_TYPE_LIST && key->type != MU_TYPE_TREE;
        if (key->reload == MU_RELOAD_LIVE && (!scalar || key->secret))
            fail_msg("%s: others may point to it, or it is a secret", key->name);
        if ((key->reload == MU_RELOAD_PLUGINS) != (key->type == MU_TYPE_TREE))
            fail_msg("%s: only plugins take a tree", key->name);
    }
}

static void what_may_changes_and_the_rest_is_named(void **state) {
    struct mu_config config;
    struct mu_config fresh;
    struct heard heard = {0};
    (void)state;
    build(&config, (const char *const[]){"limits.profile=1KiB", "coordinator.lease=3s",
                                         "brake.fraction=0.25", NULL});
    build(&fresh, (const char *const[]){"limits.profile=2KiB", "coordinator.lease=5s",
                                        "log.level=debug", "plugins.path=[/x]", NULL});
    mu_config_adopt(&config, &fresh, hear, &heard);
    static const struct {
        const char *key;
        bool applied;
        const char *value;
    } want[] = {
        {"coordinator.lease", false, "5s"}, {"brake.fraction", true, "0.5"},
        {"limits.profile", true, "2KiB"},   {"plugins.path", false, "[\"/x\"]"},
        {"log.level", true, "debug"},
    };
    assert_int_equal(heard.count, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < heard.count; i++) {
        assert_string_equal(heard.list[i].key, want[i].key);
        assert_int_equal(heard.list[i].applied, want[i].applied);
        assert_string_equal(heard.list[i].value, want[i].value);
    }
    assert_int_equal(config.limits.profile, 2048);
    assert_int_equal(config.brake.fraction, 500);
    assert_int_equal(config.log.level, MU_LOG_DEBUG);
    assert_int_equal(config.coordinator.lease_ms, 3000);
    assert_int_equal(config.plugins.path_count, 0);
    /* What waits is named each time, what was applied only once. */
    heard.count = 0;
    mu_config_adopt(&config, &fresh, hear, &heard);
    assert_int_equal(heard.count, 2);
    mu_config_deinit(&fresh);
    mu_config_deinit(&config);
}

static void secrets_are_compared_but_not_told(void **state) {
    struct mu_config config;
    struct mu_config fresh;
    struct heard heard = {0};
    (void)state;
    build(&config, (const char *const[]){"redis.url=redis://u:one@h:1",
                                         "redis.sentinel.password=first", NULL});
    build(&fresh, (const char *const[]){"redis.url=redis://u:two@h:1",
                                        "redis.sentinel.password=second", NULL});
    mu_config_adopt(&config, &fresh, hear, &heard);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.list[0].key, "redis.url");
    assert_string_equal(heard.list[1].key, "redis.sentinel.password");
    assert_null(strstr(heard.list[0].value, "two"));
    assert_null(strstr(heard.list[1].value, "second"));
    mu_config_deinit(&fresh);
    mu_config_deinit(&config);
}

static void an_id_that_nobody_gave_is_no_change(void **state) {
    static const char *const ids[][2] = {
        {NULL}, {"coordinator.id=", NULL}, {"coordinator.id=a", NULL}, {"coordinator.id=b", NULL}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            struct mu_config config;
            struct mu_config fresh;
            struct heard heard = {0};
            build(&config, ids[i]);
            build(&fresh, ids[j]);
            mu_config_adopt(&config, &fresh, hear, &heard);
            bool equal = i == j || (i < 2 && j < 2);
            if (heard.count != (equal ? 0u : 1u))
                fail_msg("ids %zu and %zu: %zu changes", i, j, heard.count);
            mu_config_deinit(&fresh);
            mu_config_deinit(&config);
        }
    }
}

/* Two values between whose keys a rule holds come together, or not at all. */
static void rules_between_keys_hold_after_it(void **state) {
    static const char *const pairs[][2] = {
        {"redis.retry_min", "redis.retry_max"},
        {"coordinator.renew", "coordinator.lease"},
        {"detector.heartbeat", "detector.suspect_after"},
        {"detector.suspect_after", "detector.dead_after"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_int_equal(mu_config_keys[mu_config_key_find(pairs[i][0])].reload,
                         mu_config_keys[mu_config_key_find(pairs[i][1])].reload);
    }
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* docs/OPERATIONS.md has one line a key that counts at once: "- `log.level`: ...". */
static void the_manual_has_every_key_that_counts_at_once(void **state) {
    (void)state;
    char *text = read_file(MUSTER_SOURCE_DIR "/docs/OPERATIONS.md");
    char *begin = strstr(text, "\n## Changing the configuration\n");
    assert_non_null(begin);
    char *end = strstr(begin + 1, "\n## ");
    if (end != NULL)
        *end = '\0';
    for (size_t i = 0; i < mu_config_key_count; i++) {
        char needle[128];
        snprintf(needle, sizeof needle, "| `%s` |", mu_config_keys[i].name);
        bool there = strstr(begin, needle) != NULL;
        if (there != (mu_config_keys[i].reload == MU_RELOAD_LIVE))
            fail_msg("%s: table and manual do not agree", mu_config_keys[i].name);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_says_only_what_can_be),
        cmocka_unit_test(what_may_changes_and_the_rest_is_named),
        cmocka_unit_test(secrets_are_compared_but_not_told),
        cmocka_unit_test(an_id_that_nobody_gave_is_no_change),
        cmocka_unit_test(rules_between_keys_hold_after_it),
        cmocka_unit_test(the_manual_has_every_key_that_counts_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
