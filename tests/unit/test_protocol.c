/* docs/PROTOCOL.md names everything: all operations with their arguments, all errors as status.h
 * has them, all events and their reasons.
 */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/status.h"
#include "muster/types.h"

static char text[1 << 20];

static int read_document(void **state) {
    (void)state;
    FILE *file = fopen(MUSTER_SOURCE_DIR "/docs/PROTOCOL.md", "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_in_range(length, 1, sizeof text - 2);
    text[length] = '\0';
    return 0;
}

static void assert_stands(const char *line) {
    if (!strstr(text, line)) {
        fail_msg("docs/PROTOCOL.md lacks: %s", line);
    }
}

static size_t rows_between(const char *begin, const char *end) {
    const char *from = strstr(text, begin);
    assert_non_null(from);
    const char *to = strstr(from, end);
    assert_non_null(to);
    size_t rows = 0;
    for (const char *row = from; (row = strstr(row, "\n| `")) && row < to; row++) {
        rows++;
    }
    return rows;
}

static void test_errors(void **state) {
    (void)state;
    char row[256];
    for (enum muster_status status = 1; status < MUSTER_STATUS_COUNT; status++) {
        snprintf(row, sizeof row, "\n| `%s` | %s | %s |\n", muster_status_code(status),
                 muster_status_retry(status) ? "yes" : "no", muster_status_meaning(status));
        assert_stands(row);
    }
    assert_int_equal(rows_between("<!-- errors -->", "<!-- end of errors -->"),
                     MUSTER_STATUS_COUNT - 1);
}

static void test_operations(void **state) {
    static const struct {
        const char *name, *usage;
        bool writes;
    } operations[] = {
#define ROW(name, arguments, least, action, writes, usage) {#name, usage, writes},
        MUSTER_OPERATION_TABLE(ROW)
#undef ROW
    };
    (void)state;
    char line[256];
    for (size_t i = 0; i < MUSTER_OPERATIONS; i++) {
        const char *space = operations[i].usage[0] ? " " : "";
        snprintf(line, sizeof line, "\n### %s%s%s\n", operations[i].name, space,
                 operations[i].usage);
        assert_stands(line);
        /* its own section has an example, and writes say what they cost */
        const char *section = strstr(text, line) + 1;
        const char *end = strstr(section, "\n##");
        const char *example = strstr(section, "\n```console\n$ ");
        if (!end || !example || example > end) {
            fail_msg("docs/PROTOCOL.md: %s has no example", operations[i].name);
        }
        if (operations[i].writes) {
            snprintf(line, sizeof line, "\n| `%s` | ", operations[i].name);
            assert_stands(line);
        }
    }
}

/* As model.md has them; that no others are published is what e2e.protocol sees. */
static void test_events(void **state) {
    static const char *const names[] = {
        "`member.joined`",
        "`member.left`",
        "`member.updated`",
        "`member.away`",
        "`member.resumed`",
        "`leader.changed`",
        "`instance.started`",
        "`instance.suspect`",
        "`instance.up`",
        "`instance.draining`",
        "`instance.undrained`",
        "`instance.move`",
        "`instance.stopped`",
        "`instance.dead`",
        "`coordinator.elected`",
        "`coordinator.released`",
        "`generation.changed`",
        "`brake.engaged`",
        "`brake.released`",
        "`survey`",
        "\n| `left` |",
        "\n| `unregistered` |",
        "\n| `disconnected` |",
        "\n| `expired` |",
        "\n| `exclusive` |",
        "\n| `superseded` |",
        "\n| `kicked` |",
        "\n| `instance-stopped` |",
        "\n| `instance-dead` |",
        "\n| `first` |",
        "\n| `instance-restarted` |",
        "\n| `promoted` |",
        "\n| `away` |",
        "\n| `draining` |",
        "\n| `resumed` |",
        "\n| `eligible-again` |",
        "\n| `instance-suspect` |",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_stands(names[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, read_document, NULL);
}
