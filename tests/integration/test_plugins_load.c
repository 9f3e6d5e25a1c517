/* Plugins that must not be loaded: each is refused with one exact sentence and exit code 2. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/world.h"

#define PLUGINS MUSTER_BUILD_DIR "/tests/plugins"

/* `musterd --check` with this in plugins.load. Exit code; *err is the caller's. */
static int check(struct mt_world *world, const char *load, const char *more, char **err) {
    const char *config = mt_world_path(world, "m.yaml");
    FILE *file = fopen(config, "we");
    assert_non_null(file);
    fprintf(file, "plugins:\n  path: %s\n  load:\n    %s\n%s\n", PLUGINS, load, more);
    assert_int_equal(fclose(file), 0);
    struct mt_process *process = mt_process_start(
        world, "musterd",
        (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config", config, "--check", NULL});
    int code = mt_process_wait(process);
    *err = mt_process_output(process, MT_STDERR);
    return code;
}

/* What stands behind "musterd: <config>:4:<column>: plugins.load: " in the last line. */
static void expect_refused(const char *load, const char *more, const char *sentence) {
    struct mt_world *world = mt_world_create();
    char *err;
    int code = check(world, load, more, &err);
    if (code != 2 || strstr(err, sentence) == NULL) {
        fail_msg("%s: exit code %d instead of 2, or not '%s' but '%s'", load, code, sentence, err);
    }
    free(err);
    mt_world_destroy(&world);
}

static void expect_fine(const char *load, const char *more) {
    struct mt_world *world = mt_world_create();
    char *err;
    int code = check(world, load, more, &err);
    if (code != 0 || err[0] != '\0') {
        fail_msg("%s: exit code %d, '%s'", load, code, err);
    }
    free(err);
    mt_world_destroy(&world);
}

static void descriptors_are_examined(void **state) {
    static const struct {
        const char *name, *sentence;
    } cases[] = {
        {"symbol", "symbol muster_plugin_descriptor: expected one, found none"},
        {"tiny", "size of symbol muster_plugin_descriptor: expected at least 44, found 8"},
        {"magic", "magic: expected 0x6d75737465723031, found 0x6d75737465723030"},
        {"major", "ABI major: expected 1, found 2"},
        {"minor", "ABI minor: expected at most 2, found 9"},
        {"shorter", "size of struct muster_plugin_hooks: expected at least 40, found 32"},
        {"short", "size of struct muster_transport_hooks: expected at least 56, found 8"},
        {"no_hooks", "hook init: expected a function, found NULL"},
        {"no_stop", "hook stop: expected a function, found NULL"},
        {"no_table", "hook transport.reply: expected a function, found NULL"},
        {"name", "name: expected an id of at most 64 bytes, found 'no name'"},
        {"kinds", "kinds: expected some of 0xf, found 0x40"},
        {"default", "configuration key 'wait': expected a default that it allows itself, found "
                    "soon"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char load[128], sentence[512];
        snprintf(load, sizeof load, "- name: broken_%s", cases[i].name);
        snprintf(sentence, sizeof sentence, "m.yaml:4:7: plugins.load: %s/broken_%s.so: %s\n",
                 PLUGINS, cases[i].name, cases[i].sentence);
        expect_refused(load, "", sentence);
    }
    expect_refused("- name: broken_long", "", "size of struct muster_host: expected at most ");
}

static void older_ones_are_taken(void **state) {
    (void)state;
    expect_fine("- name: broken_old", "");
}

static void files_are_examined(void **state) {
    (void)state;
    expect_refused("- name: nowhere", "",
                   "m.yaml:4:7: plugins.load: plugin 'nowhere': there is no nowhere.so in " PLUGINS
                   "\n");
    expect_refused(
        "- name: ../musterd", "",
        "plugin '../musterd': expected a name or an absolute path, found a relative one\n");
    expect_refused("- name: /does/not/exist.so", "",
                   "/does/not/exist.so: cannot be read: No such file or directory\n");
    expect_refused("- name: " MUSTER_SOURCE_DIR "/CMakeLists.txt", "",
                   "/CMakeLists.txt: cannot be loaded: ");
    expect_refused("- name: " MUSTER_SOURCE_DIR, "",
                   ": expected a regular file, found something else\n");
    expect_refused("- {name: moody}\n    - {name: " PLUGINS "/moody.so}", "",
                   "m.yaml:5:7: plugins.load: " PLUGINS
                   "/moody.so: name: expected one that no other "
                   "plugin has, found 'moody', which " PLUGINS "/moody.so has\n");
}

/* A copy of a good plugin in a directory of the test's own. */
static const char *copy_plugin(struct mt_world *world, const char *directory) {
    const char *path = mt_world_path(world, "%s/moody.so", directory);
    char *out;
    assert_int_equal(mkdir(mt_world_path(world, "%s", directory), 0755), 0);
    assert_int_equal(mt_process_run(world, "cp",
                                    (const char *const[]){"cp", PLUGINS "/moody.so", path, NULL},
                                    &out),
                     0);
    free(out);
    return path;
}

static void expect_code(struct mt_world *world, const char *path, int code, const char *sentence) {
    char load[256];
    char *err;
    snprintf(load, sizeof load, "- name: %s", path);
    int found = check(world, load, "", &err);
    if (found != code || strstr(err, sentence) == NULL) {
        fail_msg("exit code %d instead of %d, or not '%s' but '%s'", found, code, sentence, err);
    }
    free(err);
}

static void what_others_may_write_is_refused(void **state) {
    struct mt_world *world = mt_world_create();
    const char *path = copy_plugin(world, "own");
    const char *directory = mt_world_path(world, "own");
    char sentence[512];
    (void)state;
    expect_code(world, path, 0, "");

    assert_int_equal(chmod(path, 0646), 0);
    snprintf(sentence, sizeof sentence,
             "%s: mode: expected nothing that everybody may write, found 0646\n", path);
    expect_code(world, path, 2, sentence);
    assert_int_equal(chmod(path, 0644), 0);

    /* Sticky or not: who may write the directory may put something in the plugin's place. */
    for (mode_t mode = 0777; mode <= 01777; mode += 01000) {
        assert_int_equal(chmod(directory, mode), 0);
        snprintf(sentence, sizeof sentence,
                 "%s: mode: expected nothing that everybody may write, found %04o\n", directory,
                 (unsigned)mode);
        expect_code(world, path, 2, sentence);
    }
    assert_int_equal(chmod(directory, 0755), 0);

    /* One directory further up, where a link may lead through. */
    const char *link = mt_world_path(world, "link.so");
    assert_int_equal(symlink(path, link), 0);
    expect_code(world, link, 0, "");
    assert_int_equal(chmod(directory, 0757), 0);
    expect_code(world, link, 2, "found 0757\n");
    assert_int_equal(chmod(directory, 0755), 0);

    if (geteuid() == 0) { /* nobody else may give files away */
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        expect_code(world, path, 2,
                    "owner: expected root or the user of the daemon (0), found 12345\n");
    }
    mt_world_destroy(&world);
}

static void configurations_are_examined(void **state) {
    static const struct {
        const char *config, *sentence;
    } cases[] = {
        {"{patience: soon}", "m.yaml:4:40: plugins.load: moody.patience: 'soon' is not a duration; "
                             "allowed is a duration from 1ms to 1m\n"},
        {"{patience: 0ms}", "moody.patience: '0ms' is too small; "},
        {"{patience: 2m}", "moody.patience: '2m' is too large; "},
        {"{patience: [1s]}", "moody.patience: is a list; "},
        {"{mood: }", "moody.mood: is no value; allowed is text of 1 to 64 bytes\n"},
        {"{mood: ''}", "moody.mood: is empty; "},
        {"{words: a}", "moody.words: is a text; allowed is a list of 0 to 3 texts\n"},
        {"{words: [a, b, c, d]}", "moody.words: has 4 items; "},
        {"{words: [a, {b: c}]}",
         "m.yaml:4:41: plugins.load: moody.words: has an item that is no text; "},
        {"{moods: good}", "m.yaml:4:37: plugins.load: moody.moods: unknown key; allowed here are "
                          "mood, patience, words and key\n"},
        {"{key: 'file:/does/not/exist'}",
         "moody.key: secret file '/does/not/exist' cannot be read: No such file or directory\n"},
        {"{key: abc}", "moody.key: is 3 bytes long; allowed is text of 4 to 100 bytes\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char load[256];
        snprintf(load, sizeof load, "- {name: moody, config: %s}", cases[i].config);
        expect_refused(load, "", cases[i].sentence);
    }
    expect_fine("- {name: moody, config: {patience: 2s, words: [x], key: '12345'}}", "");
    expect_fine("- name: moody\n      config:", "");
}

static void chains_name_authorizers(void **state) {
    (void)state;
    expect_refused(
        "- name: moody", "authorization: { chain: [moody] }",
        "authorization.chain: 'moody' is no authorizer of plugins.load; there is none\n");
}

static void init_may_refuse(void **state) {
    (void)state;
    expect_refused("- {name: moody, config: {mood: init_fails}}", "",
                   "m.yaml:4:7: plugins.load: " PLUGINS
                   "/moody.so: plugin moody refuses to init: not in the mood\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_examined),
        cmocka_unit_test(older_ones_are_taken),
        cmocka_unit_test(files_are_examined),
        cmocka_unit_test(what_others_may_write_is_refused),
        cmocka_unit_test(configurations_are_examined),
        cmocka_unit_test(chains_name_authorizers),
        cmocka_unit_test(init_may_refuse),
    };
    return cmocka_run_group_tests_name("plugins_load", tests, NULL, NULL);
}
