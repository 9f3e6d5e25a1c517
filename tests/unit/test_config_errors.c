/* What is refused, with which sentence, at which place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "config/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WITHOUT_TLS                                                                                \
    "counts only with redis.mode external or sentinel, and a redis.url that begins with "          \
    "rediss://; "                                                                                  \
    "leave it out, or give such a url"
#define DURATIONS ", such as 250ms, 3s, 5m, 2h or 1d"

/* Demands the sentence from parsing or, when that is content, from the check. */
static void bad(const char *text, size_t length, const char *sentence) {
    struct mu_error error = {.text = "nothing was refused"};
    struct mu_config config;

    mu_config_init(&config);
    if (mu_config_parse(&config, "a.yaml", text, length, &error) == MUSTER_OK) {
        mu_config_check(&config, &error);
    }
    mu_config_deinit(&config);
    assert_string_equal(error.text, sentence);
    assert_int_equal(error.status, MUSTER_BAD_REQUEST);
}

static void accepted(const char *text) {
    struct mu_error error = {.text = ""};
    struct mu_config config;

    mu_config_init(&config);
    if (mu_config_parse(&config, "a.yaml", text, strlen(text), &error) != MUSTER_OK ||
        mu_config_check(&config, &error) != MUSTER_OK) {
        fail_msg("%s\n%s", error.text, text);
    }
    mu_config_deinit(&config);
}

struct refused {
    const char *text, *sentence;
};

static void all_bad(const struct refused *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bad(cases[i].text, strlen(cases[i].text), cases[i].sentence);
    }
}

static void values_are_checked(void **state) {
    static const struct refused cases[] = {
        {"redis:\n  managed:\n    port: 65536\n",
         "a.yaml:3:11: redis.managed.port: '65536' is too large; allowed is a whole number from 0 "
         "to 65535"},
        {"redis: {managed: {port: -1}}",
         "a.yaml:1:25: redis.managed.port: '-1' is not a whole number; allowed is a whole number "
         "from 0 to 65535"},
        {"redis: {managed: {port: 1.5}}",
         "a.yaml:1:25: redis.managed.port: '1.5' is not a whole number; allowed is a whole number "
         "from 0 to 65535"},
        {"redis: {managed: {port: 0x10}}",
         "a.yaml:1:25: redis.managed.port: '0x10' is not a whole number; allowed is a whole number "
         "from 0 to 65535"},
        {"redis: {managed: {port: 010}}",
         "a.yaml:1:25: redis.managed.port: '010' begins with a zero, as octal numbers do; write "
         "'10'"},
        {"redis: {managed: {port: 00}}",
         "a.yaml:1:25: redis.managed.port: '00' begins with a zero, as octal numbers do; write "
         "'0'"},
        {"redis: {managed: {port: 18446744073709551616}}",
         "a.yaml:1:25: redis.managed.port: '18446744073709551616' is too large; allowed is a whole "
         "number from 0 to 65535"},
        {"redis: {queue_commands: 1}",
         "a.yaml:1:25: redis.queue_commands: '1' is too small; allowed is a whole number from 16 "
         "to 10000000"},
        {"coordinator:\n  lease: 3\n",
         "a.yaml:2:10: coordinator.lease: '3' has no unit; allowed is a duration from 100ms to "
         "1h" DURATIONS},
        {"coordinator: {lease: 3 s}",
         "a.yaml:1:22: coordinator.lease: '3 s' is not a duration; allowed is a duration from "
         "100ms to 1h" DURATIONS},
        {"coordinator: {lease: 1.5s}",
         "a.yaml:1:22: coordinator.lease: '1.5s' is not a duration; allowed is a duration from "
         "100ms to 1h" DURATIONS},
        {"coordinator: {lease: 1h30m}",
         "a.yaml:1:22: coordinator.lease: '1h30m' is not a duration; allowed is a duration from "
         "100ms to 1h" DURATIONS},
        {"coordinator: {lease: s}",
         "a.yaml:1:22: coordinator.lease: 's' is not a duration; allowed is a duration from 100ms "
         "to 1h" DURATIONS},
        {"coordinator: {lease: 03s}", "a.yaml:1:22: coordinator.lease: '03s' begins with a zero, "
                                      "as octal numbers do; write '3s'"},
        {"coordinator: {lease: 2h}",
         "a.yaml:1:22: coordinator.lease: '2h' is too large; allowed is a duration from 100ms to "
         "1h" DURATIONS},
        {"coordinator: {lease: 99ms}",
         "a.yaml:1:22: coordinator.lease: '99ms' is too small; allowed is a duration from 100ms "
         "to 1h" DURATIONS},
        /* 2^64 ms and a day more: the product overflows, the number does not. */
        {"coordinator: {lease: 213503982335d}",
         "a.yaml:1:22: coordinator.lease: '213503982335d' is too large; allowed is a duration from "
         "100ms to 1h" DURATIONS},
        {"limits: {profile: 4KB}",
         "a.yaml:1:19: limits.profile: '4KB' is not a size; allowed is a size from 2 to 1MiB, such "
         "as 512, 4KiB or 1MiB"},
        {"limits: {profile: 2MiB}",
         "a.yaml:1:19: limits.profile: '2MiB' is too large; allowed is a size from 2 to 1MiB, such "
         "as 512, 4KiB or 1MiB"},
        {"limits: {profile: 17179869184GiB}",
         "a.yaml:1:19: limits.profile: '17179869184GiB' is too large; allowed is a size from 2 to "
         "1MiB, such as 512, 4KiB or 1MiB"},
        {"log:\n  level: loud\n", "a.yaml:2:10: log.level: 'loud' is not known; allowed is debug, "
                                  "info, warn or error"},
        {"redis:\n  mode: Managed\n", "a.yaml:2:9: redis.mode: 'Managed' is not known; allowed is "
                                      "managed, external or sentinel"},
        {"redis: {managed: {appendfsync: never}}",
         "a.yaml:1:32: redis.managed.appendfsync: 'never' is not known; allowed is everysec, "
         "always or no"},
        {"state_dir: ''", "a.yaml:1:12: state_dir: is empty; allowed is text of 1 to 4096 bytes"},
        {"state_dir:\n",
         "a.yaml:1:11: state_dir: has no value; allowed is text of 1 to 4096 bytes"},
        {"state_dir: null\n",
         "a.yaml:1:12: state_dir: has no value; allowed is text of 1 to 4096 bytes"},
        {"state_dir: \"a\\nb\"", "a.yaml:1:12: state_dir: has a control character or is not "
                                 "UTF-8; allowed is printable text"},
        {"state_dir: \"a\\0b\"", "a.yaml:1:12: state_dir: has a control character or is not "
                                 "UTF-8; allowed is printable text"},
        {"state_dir: \"a\\u2028b\"", "a.yaml:1:12: state_dir: has a control character or is not "
                                     "UTF-8; allowed is printable text"},
        {"log:\n  level: \"a\\e[31m\"\n", "a.yaml:2:10: log.level: has a control character or is "
                                          "not UTF-8; allowed is printable text"},
        {"log: {level: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg}",
         "a.yaml:1:14: log.level: 'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff...'"
         " is not known; allowed is debug, info, warn or error"},
    };

    (void)state;
    all_bad(cases, COUNT(cases));
}

static void shapes_are_checked(void **state) {
    static const struct refused cases[] = {
        {"- a\n", "a.yaml:1:1: the file: holds no keys; allowed is a mapping of keys to values, "
                  "such as 'namespace: muster'"},
        {"muster\n", "a.yaml:1:1: the file: holds no keys; allowed is a mapping of keys to values, "
                     "such as 'namespace: muster'"},
        {"redis: 5\n", "a.yaml:1:8: redis: is not a section; allowed is a mapping of its keys to "
                       "values"},
        {"redis:\n  managed: [a]\n", "a.yaml:2:12: redis.managed: is not a section; allowed is a "
                                     "mapping of its keys to values"},
        {"log:\n  level: {a: b}\n",
         "a.yaml:2:10: log.level: is a mapping; allowed is debug, info, warn or error"},
        {"log:\n  level: [info]\n",
         "a.yaml:2:10: log.level: is a list; allowed is debug, info, warn or error"},
        {"coordinator: {advertise: a}",
         "a.yaml:1:26: coordinator.advertise: is not a list; allowed is a list of at most 16 "
         "texts, such as [a, b]"},
        {"coordinator: {advertise: {a: b}}",
         "a.yaml:1:26: coordinator.advertise: is a mapping; allowed is a list of at most 16 texts, "
         "such as [a, b]"},
        {"coordinator:\n  advertise:\n  - a\n  - [b]\n",
         "a.yaml:4:5: coordinator.advertise: has an item that is no text; allowed is a list of at "
         "most 16 texts, such as [a, b]"},
        {"coordinator: {advertise: [a, b, ~]}",
         "a.yaml:1:33: coordinator.advertise: has an item that is no text; allowed is a list of at "
         "most 16 texts, such as [a, b]"},
        {"coordinator: {advertise: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]}",
         "a.yaml:1:26: coordinator.advertise: has 17 items; allowed is a list of at most 16 texts, "
         "such as [a, b]"},
        {"[a]: b\n", "a.yaml:1:1: the file: a key that is no word; allowed are the names of keys"},
        {"log:\n  {a: b}: c\n",
         "a.yaml:2:3: log: a key that is no word; allowed are the names of keys"},
        {"log:\n  \"\": c\n",
         "a.yaml:2:3: log: a key that is no word; allowed are the names of keys"},
        {"log:\n  \"level\\0\": info\n",
         "a.yaml:2:3: log: a key that is no word; allowed are the names of keys"},
    };

    (void)state;
    all_bad(cases, COUNT(cases));
}

static void unknown_and_duplicate_keys(void **state) {
    static const struct refused cases[] = {
        {"namespace: a\nnamespce: b\n",
         "a.yaml:2:1: namespce: unknown key; did you mean 'namespace'?"},
        {"coordinator:\n  leas: 3s\n",
         "a.yaml:2:3: coordinator.leas: unknown key; did you mean 'lease'?"},
        {"reddis: {}\n", "a.yaml:1:1: reddis: unknown key; did you mean 'redis'?"},
        {"redis:\n  managed:\n    prot: 1\n",
         "a.yaml:3:5: redis.managed.prot: unknown key; did you mean 'port'?"},
        {"lease: 3s\n",
         "a.yaml:1:1: lease: unknown key here; did you mean 'lease' inside 'coordinator'?"},
        {"redis:\n  port: 1\n",
         "a.yaml:2:3: redis.port: unknown key here; did you mean 'port' inside 'redis.managed'?"},
        {"log.level: info\n",
         "a.yaml:1:1: log.level: unknown key here; did you mean 'level' inside 'log'?"},
        {"log:\n  colour: red\n",
         "a.yaml:2:3: log.colour: unknown key; allowed here are level and format"},
        {"add-ons: []\n", "a.yaml:1:1: add-ons: unknown key; allowed here are namespace, "
                          "state_dir, redis, coordinator, detector, brake, scrub, limits, plugins, "
                          "authorization, metrics and log"},
        {"? <<\n: a\n",
         "a.yaml:1:3: <<: unknown key; allowed here are namespace, state_dir, "
         "redis, coordinator, detector, brake, scrub, limits, plugins, authorization, "
         "metrics and log"},
        {"\"a\\nb\": 1\n",
         "a.yaml:1:1: a?b: unknown key; allowed here are namespace, state_dir, "
         "redis, coordinator, detector, brake, scrub, limits, plugins, authorization, "
         "metrics and log"},
        {"namespace: a\nnamespace: a\n",
         "a.yaml:2:1: namespace: given twice, first in line 1; allowed is once"},
        {"log:\n  level: info\nstate_dir: /x\nlog:\n  format: json\n",
         "a.yaml:4:1: log: given twice, first in line 1; allowed is once"},
        {"redis:\n  managed:\n    port: 1\n    'port': 2\n",
         "a.yaml:4:5: redis.managed.port: given twice, first in line 3; allowed is once"},
    };

    (void)state;
    all_bad(cases, COUNT(cases));
}

static void what_is_loaded_is_checked(void **state) {
    static const struct refused cases[] = {
        {"plugins: {load: x}\n", "a.yaml:1:17: plugins.load: is not a list; allowed is a list of "
                                 "plugins, such as [{name: a, config: {}}]"},
        {"plugins: {load: {name: x}}\n",
         "a.yaml:1:17: plugins.load: is a mapping; allowed is a list "
         "of plugins, such as [{name: a, config: {}}]"},
        {"plugins:\n  load:\n    - x\n",
         "a.yaml:3:7: plugins.load: has an item that is no mapping; allowed is {name: ..., config: "
         "{...}}"},
        {"plugins:\n  load:\n    - config: {}\n",
         "a.yaml:3:7: plugins.load: has an item without a name; allowed is {name: ...}"},
        {"plugins:\n  load:\n    - {name: x, conf: {}}\n",
         "a.yaml:3:23: plugins.load: unknown key; allowed here are name and config"},
        {"plugins:\n  load:\n    - {name: [x]}\n",
         "a.yaml:3:14: plugins.load: the name is no text; allowed is a name or an absolute path"},
        {"plugins:\n  load:\n    - {name: x, config: y}\n",
         "a.yaml:3:25: plugins.load: the config is no mapping; allowed is {key: value, ...}"},
        {"plugins:\n  load:\n    - {name: x, config: {a: 1, a: 2}}\n",
         "a.yaml:3:32: plugins.load: 'a' is given twice; allowed is once"},
        {"plugins:\n  load:\n    - {name: x, config: {a: '$b'}}\n",
         "a.yaml:3:29: plugins.load: has a '$' by itself; allowed is ${NAME} for an environment "
         "variable, $$ for a dollar sign"},
        {"plugins: {path: {a: b}}\n", "a.yaml:1:17: plugins.path: is a mapping; allowed is a list "
                                      "of at most 16 texts, such as [a, b]"},
    };

    (void)state;
    all_bad(cases, COUNT(cases));
}

static void yaml_beyond_plain_values(void **state) {
    static const struct refused cases[] = {
        /* At the alias itself, not at its anchor. */
        {"namespace: &a x\nstate_dir: *a\n",
         "a.yaml:1:12: an anchor; allowed are plain values without '&'"},
        {"namespace: x\nstate_dir: *a\n",
         "a.yaml:2:12: an alias; allowed are plain values without '*'"},
        {"redis: &a\n  mode: managed\n",
         "a.yaml:1:8: an anchor; allowed are plain values without '&'"},
        {"&a [*a]", "a.yaml:1:1: an anchor; allowed are plain values without '&'"},
        {"log:\n  <<: *base\n", "a.yaml:2:7: an alias; allowed are plain values without '*'"},
        {"*a : b\n", "a.yaml:1:1: an alias; allowed are plain values without '*'"},
        {"namespace: !!str x\n", "a.yaml:1:12: a tag; allowed are plain values without '!'"},
        {"namespace: ! x\n", "a.yaml:1:12: a tag; allowed are plain values without '!'"},
        {"namespace: !local x\n", "a.yaml:1:12: a tag; allowed are plain values without '!'"},
        {"%TAG ! tag:x,1:\n---\na: b\n", "a.yaml:1:1: a tag; allowed are plain values without '!'"},
        {"namespace: a\n---\nnamespace: b\n", "a.yaml:2:1: a second document; allowed is one"},
        {"---\n---\n", "a.yaml:2:1: a second document; allowed is one"},
        {"namespace: a\n...\nnamespace: b\n", "a.yaml:3:1: a second document; allowed is one"},
        {"--- a\n...\n...\n- b\n", "a.yaml:4:1: a second document; allowed is one"},
        {"a: [[[[[[[[x]]]]]]]]", "a.yaml:1:11: nested too deep; allowed are 8 levels"},
        {"- - - - - - - - - x", "a.yaml:1:17: nested too deep; allowed are 8 levels"},
        {"? ? ? ? ? ? ? ? ? x", "a.yaml:1:17: nested too deep; allowed are 8 levels"},
    };

    (void)state;
    all_bad(cases, COUNT(cases));
}

static void what_is_not_yaml(void **state) {
    static const struct refused cases[] = {
        {"log:\n\tlevel: info\n",
         "a.yaml:2:1: not valid YAML: found character that cannot start any token while scanning "
         "for the next token"},
        {"log: {level: info\n", "a.yaml:2:1: not valid YAML: did not find expected ',' or '}' "
                                "while parsing a flow mapping"},
        {"log: 'info\n", "a.yaml:2:1: not valid YAML: found unexpected end of stream while "
                         "scanning a quoted scalar"},
        {"a: b: c\n", "a.yaml:1:5: not valid YAML: mapping values are not allowed in this context"},
        {"a: 1\n b: 2\n", "a.yaml:2:3: not valid YAML: mapping values are not allowed in this "
                          "context"},
        {"log: ]\n",
         "a.yaml:1:6: not valid YAML: did not find expected node content while parsing a block "
         "node"},
        {"namespace: a\nstate_dir: \xFF\n",
         "a.yaml:2:12: not valid YAML: invalid leading UTF-8 octet"},
        {"namespace: a\x01\n", "a.yaml:1:13: not valid YAML: control characters are not allowed"},
        {"namespace: \xC3\xA4\xC3(\n", "a.yaml:1:14: not valid YAML: invalid trailing UTF-8 octet"},
    };

    (void)state;
    all_bad(cases, COUNT(cases));
    bad("namespace: a\0b", 14, "a.yaml:1:13: not valid YAML: control characters are not allowed");
}

/* Texts that cost a parser seconds when it is careless. */
static void hostile_sizes(void **state) {
    static const char *const patterns[] = {"[",   "{",    "- ", "? ", "[a: ", "{a: ", "!",  "&a ",
                                           "a: ", "\n- ", "\"", "'",  "|\n",  "#",    "[]", "[a,"};
    size_t size = 256 * 1024;
    char *text = mu_calloc(size + 2, 1);

    (void)state;
    for (size_t i = 0; i < COUNT(patterns); i++) {
        size_t length = strlen(patterns[i]);
        struct mu_config config;
        struct mu_error error;

        for (size_t at = 0; at < size; at++) {
            text[at] = patterns[i][at % length];
        }
        mu_config_init(&config);
        if (strcmp(patterns[i], "#") != 0) {
            assert_int_equal(mu_config_parse(&config, "a.yaml", text, size, &error),
                             MUSTER_BAD_REQUEST);
        }
        mu_config_deinit(&config);
    }
    memset(text, '#', size + 1);
    {
        struct mu_config config;
        struct mu_error error;

        mu_config_init(&config);
        assert_int_equal(mu_config_parse(&config, "a.yaml", text, size, &error), MUSTER_OK);
        mu_config_deinit(&config);
    }
    bad(text, size + 1, "a.yaml: is too large; allowed are 256KiB");
    memset(text, '[', size);
    bad(text, 200 * 1024, "a.yaml:1:9: nested too deep; allowed are 8 levels");
    free(text);
}

static void environment_is_checked(void **state) {
    static const struct refused cases[] = {
        {"state_dir: /a/${MU_TEST_MISSING}\n",
         "a.yaml:1:12: state_dir: the environment variable MU_TEST_MISSING is not set; set it, or "
         "write $$ for a dollar sign"},
        {"state_dir: ${MU_TEST_EMPTY}\n",
         "a.yaml:1:12: state_dir: is empty; allowed is text of 1 to 4096 bytes"},
        {"state_dir: /a$b\n", "a.yaml:1:12: state_dir: has a '$' by itself; allowed is ${NAME} for "
                              "an environment variable, $$ for a dollar sign"},
        {"state_dir: /a$\n", "a.yaml:1:12: state_dir: has a '$' by itself; allowed is ${NAME} for "
                             "an environment variable, $$ for a dollar sign"},
        {"state_dir: /a${\n", "a.yaml:1:12: state_dir: has a '${' without a name and '}'; allowed "
                              "is ${NAME} for an environment variable, $$ for a dollar sign"},
        {"state_dir: /a${1A}\n", "a.yaml:1:12: state_dir: has a '${' without a name and '}'; "
                                 "allowed is ${NAME} for an environment variable, $$ for a dollar "
                                 "sign"},
        {"state_dir: /a${MU-TEST}\n", "a.yaml:1:12: state_dir: has a '${' without a name and '}'; "
                                      "allowed is ${NAME} for an environment variable, $$ for a "
                                      "dollar sign"},
        {"state_dir: ${MU_TEST_BYTES}\n", "a.yaml:1:12: state_dir: has a control character or is "
                                          "not UTF-8; allowed is printable text"},
        {"coordinator:\n  advertise: [a, '$']\n",
         "a.yaml:2:18: coordinator.advertise: has a '$' by itself; allowed is ${NAME} for an "
         "environment variable, $$ for a dollar sign"},
    };

    (void)state;
    assert_int_equal(setenv("MU_TEST_EMPTY", "", 1), 0);
    assert_int_equal(setenv("MU_TEST_BYTES", "\xFF", 1), 0);
    unsetenv("MU_TEST_MISSING");
    all_bad(cases, COUNT(cases));
}

static void relations_are_checked(void **state) {
    static const struct refused cases[] = {
        {"metrics: {listen: localhost:9411}\n",
         "a.yaml:1:19: metrics.listen: is no IP address with a port; allowed is the like of "
         "127.0.0.1:9411 or [::1]:9411"},
        {"metrics: {listen: '127.0.0.1:65536'}\n",
         "a.yaml:1:19: metrics.listen: is no IP address with a port; allowed is the like of "
         "127.0.0.1:9411 or [::1]:9411"},
        {"metrics: {listen: '0.0.0.0:9411'}\n",
         "a.yaml:1:19: metrics.listen: is an address that other machines reach, and whoever "
         "reaches it may read; allowed is 127.0.0.1 or [::1], or metrics.allow_remote: true beside "
         "it"},
        {"metrics: {listen: '[::]:9411', allow_remote: false}\n",
         "a.yaml:1:19: metrics.listen: is an address that other machines reach, and whoever "
         "reaches it may read; allowed is 127.0.0.1 or [::1], or metrics.allow_remote: true beside "
         "it"},
        {"coordinator:\n  renew: 3s\n",
         "a.yaml:2:10: coordinator.renew: 3s is not shorter than coordinator.lease; allowed is "
         "less than 3s"},
        {"coordinator:\n  lease: 500ms\n",
         "a.yaml:2:10: coordinator.lease: 500ms is not longer than coordinator.renew; allowed is "
         "more than 1s"},
        {"coordinator:\n  lease: 500ms\n  renew: 600ms\n",
         "a.yaml:3:10: coordinator.renew: 600ms is not shorter than coordinator.lease; allowed is "
         "less than 500ms"},
        {"redis: {retry_min: 3s}\n",
         "a.yaml:1:20: redis.retry_min: 3s is longer than redis.retry_max; allowed is at most 2s"},
        {"redis: {retry_max: 10ms}\n",
         "a.yaml:1:20: redis.retry_max: 10ms is shorter than redis.retry_min; allowed is at least "
         "50ms"},
        {"detector: {heartbeat: 3s}\n",
         "a.yaml:1:23: detector.heartbeat: 3s is not shorter than detector.suspect_after; allowed "
         "is less than 3s"},
        {"detector: {dead_after: 3s}\n",
         "a.yaml:1:24: detector.dead_after: 3s is not longer than detector.suspect_after; allowed "
         "is more than 3s"},
        {"redis: {mode: external}\n", "a.yaml:1:15: redis.mode: external needs redis.url; allowed "
                                      "is redis://, rediss:// or unix://"},
        {"redis: {mode: external, url: ''}\n",
         "a.yaml:1:30: redis.url: external needs redis.url; allowed is redis://, rediss:// or "
         "unix://"},
        {"redis: {mode: external, url: 'h:sekret'}\n",
         "a.yaml:1:30: redis.url: is not the address of a Redis; allowed is "
         "redis://[user[:password]@]host[:port][/db], the same with rediss:// (TLS), or "
         "unix:///path/to/socket"},
        {"redis: {mode: external, url: 'redis://h', tls: {ca: /a}}\n",
         "a.yaml:1:53: redis.tls.ca: " WITHOUT_TLS},
        {"redis: {tls: {server_name: h}}\n", "a.yaml:1:28: redis.tls.server_name: " WITHOUT_TLS},
        {"redis: {url: 'rediss://h', tls: {key: /a}}\n",
         "a.yaml:1:39: redis.tls.key: " WITHOUT_TLS},
        {"redis: {mode: external, url: 'rediss://h', tls: {certificate: /a}}\n",
         "a.yaml:1:63: redis.tls.certificate: needs redis.tls.key beside it"},
        {"redis: {mode: external, url: 'rediss://h', tls: {key: /a}}\n",
         "a.yaml:1:55: redis.tls.key: needs redis.tls.certificate beside it"},
        {"redis: {mode: sentinel}\n",
         "a.yaml:1:15: redis.mode: sentinel needs redis.sentinel.addresses; allowed is a list of "
         "host:port"},
        {"redis: {mode: sentinel, sentinel: {addresses: []}}\n",
         "a.yaml:1:47: redis.sentinel.addresses: sentinel needs redis.sentinel.addresses; allowed "
         "is a list of host:port"},
        {"redis: {mode: sentinel, sentinel: {addresses: h:1}}\n",
         "a.yaml:1:15: redis.mode: sentinel needs redis.sentinel.master; allowed is the name that "
         "the sentinels have for the master"},
        {"redis: {mode: sentinel, url: 'unix:///x', sentinel: {addresses: h:1, master: m}}\n",
         "a.yaml:1:30: redis.url: cannot be used with sentinels; allowed is "
         "redis://[user[:password]@]host[/db], of which the host does not count"},
        {"namespace: a/b\n", "a.yaml:1:12: namespace: 'a/b' is not an id; allowed are 1 to 128 of "
                             "A-Z a-z 0-9 . _ ~ @ | + = -"},
        {"coordinator: {id: 'a b'}\n", "a.yaml:1:19: coordinator.id: 'a b' is not an id; allowed "
                                       "are 1 to 128 of A-Z a-z 0-9 . _ ~ @ | + = -"},
        {"coordinator: {advertise: [a, 'b,c']}\n",
         "a.yaml:1:26: coordinator.advertise: 'b,c' is not an address; allowed are 1 to 255 bytes "
         "without space and comma"},
        {"coordinator: {advertise: ['']}\n",
         "a.yaml:1:26: coordinator.advertise: '' is not an address; allowed are 1 to 255 bytes "
         "without space and comma"},
    };
    char text[256];

    (void)state;
    all_bad(cases, COUNT(cases));
    snprintf(text, sizeof text, "state_dir: %0*d", 96, 0);
    bad(text, strlen(text),
        "a.yaml:1:12: state_dir: is 96 bytes long, too long for a socket in "
        "it; allowed are 95");
    snprintf(text, sizeof text, "state_dir: %0*d", 95, 0);
    accepted(text);
    accepted("redis: {retry_min: 2s}\n");
    snprintf(text, sizeof text, "namespace: %0*d", 129, 0);
    bad(text, strlen(text),
        "a.yaml:1:12: namespace: is 129 bytes long; allowed is text of 1 to 128 bytes");
}

static void bad_sets_name_their_key(void **state) {
    static const struct refused cases[] = {
        {"log.level", "--set log.level: has no '='; allowed is key=value, such as log.level=debug"},
        {"", "--set : has no '='; allowed is key=value, such as log.level=debug"},
        {"=x", "--set : is not a key; allowed is key=value, such as log.level=debug"},
        {"log=x",
         "--set log: is not a key but a section; allowed is key=value, such as log.level=debug"},
        {"log.levle=info", "--set log.levle: unknown key; did you mean 'level'?"},
        {"redis.managed.prot=1", "--set redis.managed.prot: unknown key; did you mean 'port'?"},
        {"level=info", "--set level: unknown key here; did you mean 'level' inside 'log'?"},
        {"a.b.c=1", "--set a.b.c: unknown key; allowed here are namespace, state_dir, redis, "
                    "coordinator, detector, brake, scrub, limits, plugins, authorization, "
                    "metrics and log"},
        {"log.level=loud",
         "--set log.level: 'loud' is not known; allowed is debug, info, warn or error"},
        {"log.level=", "--set log.level: '' is not known; allowed is debug, info, warn or error"},
        {"log.level=a: b", "--set log.level: is a mapping; allowed is debug, info, warn or error"},
        {"redis.managed.port=010", "--set redis.managed.port: '010' begins with a zero, as octal "
                                   "numbers do; write '10'"},
        {"log.level=[info",
         "--set log.level: not valid YAML: did not find expected ',' or ']' while parsing a flow "
         "sequence"},
        {"log.level=*a", "--set log.level: an alias; allowed are plain values without '*'"},
        {"coordinator.advertise=x", "--set coordinator.advertise: is not a list; allowed is a list "
                                    "of at most 16 texts, such as [a, b]"},
        {"coordinator.advertise=[[[[[[[[[[", "--set coordinator.advertise: nested too deep; "
                                             "allowed are 8 levels"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mu_error error = {.text = ""};
        struct mu_config config;

        mu_config_init(&config);
        assert_int_equal(mu_config_set(&config, cases[i].text, &error), MUSTER_BAD_REQUEST);
        assert_string_equal(error.text, cases[i].sentence);
        assert_int_equal(mu_config_set(&config, cases[i].text, NULL), MUSTER_BAD_REQUEST);
        mu_config_deinit(&config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(unknown_and_duplicate_keys),
        cmocka_unit_test(what_is_loaded_is_checked),
        cmocka_unit_test(yaml_beyond_plain_values),
        cmocka_unit_test(what_is_not_yaml),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(environment_is_checked),
        cmocka_unit_test(relations_are_checked),
        cmocka_unit_test(bad_sets_name_their_key),
    };

    return cmocka_run_group_tests_name("config_errors", tests, NULL, NULL);
}
