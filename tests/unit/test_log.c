/* Lines of the log: both formats, quoting, levels, and that no line is ever broken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/log_limit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIME_SIZE (sizeof "2026-01-02T03:04:05.678Z" - 1)

/* What `log` has written into the pipe so far. For free(). */
static char *written(int fd) {
    size_t size = 256 * 1024, length = 0;
    char *text = mu_calloc(size, 1);
    ssize_t got;

    while ((got = read(fd, text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    return text;
}

static void open_pipe(int fds[2]) {
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 256 * 1024) > 0);
}

static void close_pipe(int fds[2]) {
    close(fds[0]);
    close(fds[1]);
}

static void check_time(const char *text) {
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    for (size_t i = 0; shape[i] != '\0'; i++) {
        if (shape[i] == 'd') {
            assert_true(text[i] >= '0' && text[i] <= '9');
        } else {
            assert_int_equal(text[i], shape[i]);
        }
    }
}

static void logfmt_lines(void **state) {
    struct mu_log *log;
    int fds[2];
    char *text;

    (void)state;
    open_pipe(fds);
    log = mu_log_create(fds[1], MU_LOG_INFO, MU_LOG_LOGFMT);
    MU_LOG(log, MU_LOG_INFO, "lease.acquired", MU_STR("id", "a"), MU_INT("epoch", 17));
    MU_LOG(log, MU_LOG_WARN, "x", MU_INT("low", INT64_MIN), MU_STR("none", NULL));
    mu_log_write(log, MU_LOG_ERROR, "bare", NULL, 0);
    text = written(fds[0]);
    assert_memory_equal(text, "time=", 5);
    check_time(text + 5);
    {
        char *rest;
        char *line = strtok_r(text, "\n", &rest);
        assert_string_equal(line + 5 + TIME_SIZE, " level=info event=lease.acquired id=a epoch=17");
        line = strtok_r(NULL, "\n", &rest);
        assert_string_equal(line + 5 + TIME_SIZE,
                            " level=warn event=x low=-9223372036854775808 none=\"\"");
        line = strtok_r(NULL, "\n", &rest);
        assert_string_equal(line + 5 + TIME_SIZE, " level=error event=bare");
        assert_null(strtok_r(NULL, "\n", &rest));
    }
    free(text);
    mu_log_destroy(&log);
    assert_null(log);
    close_pipe(fds);
}

static void logfmt_quotes_what_needs_it(void **state) {
    static const struct {
        const char *value, *shown;
    } cases[] = {
        {"plain", "plain"},
        {"/a/b:1,2;{x}[y]|'z'", "/a/b:1,2;{x}[y]|'z'"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"two\nlines\tand\r", "\"two\\nlines\\tand\\r\""},
        {"\x1b[31mred", "\"\\u001b[31mred\""},
        {"\x7f", "\"\\u007f\""},
        {"\xC3\xA4", "\"\xC3\xA4\""},
        {"\xFF", "\"\xEF\xBF\xBD\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mu_log *log;
        char expected[256];
        int fds[2];
        char *text;

        open_pipe(fds);
        log = mu_log_create(fds[1], MU_LOG_DEBUG, MU_LOG_LOGFMT);
        MU_LOG(log, MU_LOG_DEBUG, "e", MU_STR("v", cases[i].value), MU_INT("end", 1));
        text = written(fds[0]);
        snprintf(expected, sizeof expected, " level=debug event=e v=%s end=1\n", cases[i].shown);
        assert_string_equal(text + 5 + TIME_SIZE, expected);
        free(text);
        mu_log_destroy(&log);
        close_pipe(fds);
    }
}

static void json_lines_can_be_read(void **state) {
    struct mu_log *log;
    json_t *line;
    int fds[2];
    char *text;

    (void)state;
    open_pipe(fds);
    log = mu_log_create(fds[1], MU_LOG_INFO, MU_LOG_JSON);
    MU_LOG(log, MU_LOG_ERROR, "a.b", MU_STR("text", "q\" b\\ n\n \x01 \xC3\xA4 \xFF"),
           MU_INT("number", -5), MU_STR("empty", ""));
    text = written(fds[0]);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_int_equal(json_object_size(line), 6);
    check_time(json_string_value(json_object_get(line, "time")));
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(line, "event")), "a.b");
    assert_string_equal(json_string_value(json_object_get(line, "text")),
                        "q\" b\\ n\n \x01 \xC3\xA4 \xEF\xBF\xBD");
    assert_int_equal(json_integer_value(json_object_get(line, "number")), -5);
    assert_string_equal(json_string_value(json_object_get(line, "empty")), "");
    json_decref(line);
    free(text);
    mu_log_destroy(&log);
    close_pipe(fds);
}

static void levels_hold_back(void **state) {
    struct mu_log *log;
    int fds[2];
    char *text;

    (void)state;
    open_pipe(fds);
    log = mu_log_create(fds[1], MU_LOG_WARN, MU_LOG_LOGFMT);
    assert_false(mu_log_enabled(log, MU_LOG_INFO));
    assert_true(mu_log_enabled(log, MU_LOG_WARN));
    assert_true(mu_log_enabled(log, MU_LOG_ERROR));
    assert_false(mu_log_enabled(NULL, MU_LOG_ERROR));
    MU_LOG(log, MU_LOG_INFO, "no", MU_INT("n", 1));
    MU_LOG(NULL, MU_LOG_ERROR, "no", MU_INT("n", 2));
    mu_log_set_level(log, MU_LOG_DEBUG);
    MU_LOG(log, MU_LOG_DEBUG, "yes", MU_INT("n", 3));
    text = written(fds[0]);
    assert_string_equal(text + 5 + TIME_SIZE, " level=debug event=yes n=3\n");
    free(text);
    mu_log_destroy(&log);
    close_pipe(fds);
}

/* Sizes that a stranger may choose: every line stays whole, ends, and can be read. */
static void long_values_are_cut(void **state) {
    struct mu_log_field fields[40];
    struct mu_log *log;
    char huge[20000];
    json_t *line;
    int fds[2];
    char *text;

    (void)state;
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (size_t i = 0; i < COUNT(fields); i++) {
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};

        fields[i] = MU_STR(names[i % COUNT(names)], huge);
    }
    open_pipe(fds);
    log = mu_log_create(fds[1], MU_LOG_INFO, MU_LOG_JSON);
    mu_log_write(log, MU_LOG_INFO, "big", fields, 1);
    text = written(fds[0]);
    line = json_loads(text, 0, NULL);
    assert_non_null(line);
    assert_int_equal(json_string_length(json_object_get(line, "a")), 4096 + 3);
    json_decref(line);
    free(text);
    mu_log_write(log, MU_LOG_INFO, "bigger", fields, COUNT(fields));
    text = written(fds[0]);
    assert_true(strlen(text) <= 64 * 1024);
    assert_int_equal(text[strlen(text) - 1], '\n');
    line = json_loads(text, 0, NULL);
    assert_non_null(line);
    json_decref(line);
    free(text);
    mu_log_destroy(&log);
    close_pipe(fds);
}

static void a_full_or_closed_pipe_is_survived(void **state) {
    struct mu_log *log;
    int fds[2];

    (void)state;
    open_pipe(fds);
    log = mu_log_create(fds[1], MU_LOG_INFO, MU_LOG_LOGFMT);
    for (size_t i = 0; i < 20000; i++) {
        MU_LOG(log, MU_LOG_INFO, "again", MU_STR("text", "some words to fill it with"));
    }
    close_pipe(fds);
    MU_LOG(log, MU_LOG_INFO, "lost", MU_INT("n", 1));
    mu_log_destroy(&log);
}

static void words_are_read(void **state) {
    enum mu_log_format format = MU_LOG_LOGFMT;
    enum mu_log_level level = MU_LOG_INFO;

    (void)state;
    assert_true(mu_log_level_parse("debug", &level));
    assert_int_equal(level, MU_LOG_DEBUG);
    assert_true(mu_log_level_parse("error", &level));
    assert_int_equal(level, MU_LOG_ERROR);
    assert_false(mu_log_level_parse("Info", &level));
    assert_false(mu_log_level_parse("", &level));
    assert_int_equal(level, MU_LOG_ERROR);
    assert_true(mu_log_format_parse("json", &format));
    assert_int_equal(format, MU_LOG_JSON);
    assert_true(mu_log_format_parse("logfmt", &format));
    assert_int_equal(format, MU_LOG_LOGFMT);
    assert_false(mu_log_format_parse("text", &format));
}

/* ---- what people and programs can make of it, whatever is in it ---- */

static const char *const hostile[] = {
    "two\nlines",
    "carriage\rreturn",
    "a \"quote\"",
    "back\\slash\\",
    "equals=sign level=error",
    "\x01\x02\x1b[31mred\x7f",
    "no utf-8: \xff\xfe\xc0\xaf\xed\xa0\x80 \xf4\x90\x80\x80",
    "cut \xe2\x82",
    "\xe2\x80\xa8line separator",
    "",
    " ",
    "\"",
    "\\",
};

/* Reads one logfmt line strictly: pairs with one space between, values bare or as JSON texts. */
static json_t *read_logfmt(const char *line) {
    json_t *object = json_object();
    while (*line != '\0') {
        size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
        assert_true(name > 0 && line[name] == '=');
        char *key = strndup(line, name);
        const char *value = line + name + 1;
        size_t length = strcspn(value, " ");
        json_t *read = NULL;
        if (value[0] == '"') {
            json_error_t error;
            read = json_loads(value, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);
            assert_non_null(read);
            length = (size_t)error.position;
        } else {
            for (size_t i = 0; i < length; i++)
                assert_true(value[i] > ' ' && value[i] < 0x7f && strchr("\"=\\", value[i]) == NULL);
            read = json_stringn(value, length);
        }
        assert_int_equal(json_object_set_new_nocheck(object, key, read), 0);
        free(key);
        line = value + length;
        assert_true(*line == '\0' || (*line == ' ' && line[1] != '\0'));
        line += *line == ' ' ? 1 : 0;
    }
    return object;
}

static void any_value_can_be_read_in_both_formats(void **state) {
    (void)state;
    for (int format = MU_LOG_LOGFMT; format <= MU_LOG_JSON; format++) {
        int fds[2];
        open_pipe(fds);
        struct mu_log *log = mu_log_create(fds[1], MU_LOG_INFO, (enum mu_log_format)format);
        for (size_t i = 0; i < COUNT(hostile); i++)
            MU_LOG(log, MU_LOG_INFO, "test.hostile", MU_STR("first", hostile[i]),
                   MU_INT("number", -7), MU_STR("last", hostile[COUNT(hostile) - 1 - i]));
        mu_log_destroy(&log);
        char *text = written(fds[0]);
        char *rest = NULL;
        size_t lines = 0;
        for (char *line = strtok_r(text, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            json_t *read = format == MU_LOG_JSON ? json_loads(line, 0, NULL) : read_logfmt(line);
            assert_non_null(read);
            assert_int_equal(json_object_size(read), 6);
            assert_string_equal(json_string_value(json_object_get(read, "event")), "test.hostile");
            assert_string_equal(json_string_value(json_object_get(read, "level")), "info");
            const char *first = json_string_value(json_object_get(read, "first"));
            assert_non_null(first);
            if (lines < 5 || (lines > 8 && lines < COUNT(hostile))) /* what is text comes back */
                assert_string_equal(first, hostile[lines]);
            json_decref(read);
            lines++;
        }
        assert_int_equal(lines, COUNT(hostile));
        free(text);
        close_pipe(fds);
    }
}

/* ---- the same again ---- */

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void repeats_are_held_back_and_counted(void **state) {
    int fds[2];
    (void)state;
    open_pipe(fds);
    struct mu_log *log = mu_log_create(fds[1], MU_LOG_INFO, MU_LOG_LOGFMT);
    mu_log_limit(log, 3, 3600000);
    for (int i = 0; i < 10; i++) {
        MU_LOG(log, MU_LOG_WARN, "test.again", MU_STR("instance", "a"), MU_INT("n", i));
        MU_LOG(log, MU_LOG_WARN, "test.again", MU_STR("instance", i % 2 == 0 ? "b" : "c"));
        MU_LOG(log, MU_LOG_INFO, "auth.denied", MU_STR("instance", "a"));
        MU_LOG(log, MU_LOG_WARN, "order.given", MU_STR("instance", "a"));
        MU_LOG(log, MU_LOG_INFO, "config.applied", MU_STR("key", "a"));
    }
    mu_log_set_level(log, MU_LOG_DEBUG);
    for (int i = 0; i < 10; i++)
        MU_LOG(log, MU_LOG_WARN, "test.again", MU_STR("instance", "all of it"));
    mu_log_destroy(&log);
    char *text = written(fds[0]);
    assert_int_equal(count_of(text, "event=test.again instance=\"all of it\""), 10);
    assert_int_equal(count_of(text, "event=test.again instance=a "), 3);
    assert_int_equal(count_of(text, "event=test.again instance=b"), 3);
    assert_int_equal(count_of(text, "event=test.again instance=c"), 3);
    assert_int_equal(count_of(text, "event=auth.denied"), 10);
    assert_int_equal(count_of(text, "event=order.given"), 10);
    assert_int_equal(count_of(text, "event=config.applied"), 10);
    assert_int_equal(count_of(text, "level=warn event=log.suppressed suppressed=test.again "), 3);
    assert_int_equal(count_of(text, "of=\"instance=a\" lines=7 period_ms=3600000"), 1);
    assert_int_equal(count_of(text, "of=\"instance=b\" lines=2 "), 1);
    free(text);
    close_pipe(fds);
}

static void a_period_ends(void **state) {
    static struct mu_log_limit limit; /* large */
    struct mu_log_kind told;
    const struct mu_log_field field = MU_STR("instance", "a");
    (void)state;
    limit.most = 2;
    limit.period_ms = 100;
    for (int i = 0; i < 5; i++)
        assert_int_equal(mu_log_limit_pass(&limit, 1000, MU_LOG_WARN, "test.x", &field, 1, &told),
                         i < 2);
    assert_int_equal(told.held, 0);
    assert_true(mu_log_limit_pass(&limit, 1100, MU_LOG_WARN, "test.x", &field, 1, &told));
    assert_int_equal(told.held, 3);
    assert_string_equal(told.event, "test.x");
    assert_string_equal(told.ids, "instance=a");
    /* Who comes no more is told by what others say. */
    for (int i = 0; i < 3; i++)
        mu_log_limit_pass(&limit, 1100, MU_LOG_WARN, "test.x", &field, 1, &told);
    uint64_t held = 0;
    for (int i = 0; i < MU_LOG_LIMIT_KINDS && held == 0; i++) {
        assert_true(mu_log_limit_pass(&limit, 1200, MU_LOG_INFO, "auth.denied", NULL, 0, &told));
        held = told.held;
    }
    assert_int_equal(held, 2);
    assert_false(mu_log_limit_rest(&limit, &told));
}

/* Any number of kinds: nothing grows, and nothing that was held back is forgotten. */
static void many_kinds_take_turns(void **state) {
    static struct mu_log_limit limit;
    struct mu_log_kind told;
    uint64_t passed = 0;
    uint64_t held = 0;
    (void)state;
    limit.most = 1;
    limit.period_ms = 1000000;
    for (int i = 0; i < 20000; i++) {
        char id[32];
        snprintf(id, sizeof id, "i%d", i / 4);
        const struct mu_log_field field = MU_STR("instance", id);
        passed += mu_log_limit_pass(&limit, 5, MU_LOG_INFO, "test.z", &field, 1, &told) ? 1 : 0;
        held += told.held;
    }
    while (mu_log_limit_rest(&limit, &told))
        held += told.held;
    assert_int_equal(passed, 5000);
    assert_int_equal(held, 15000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_lines),
        cmocka_unit_test(logfmt_quotes_what_needs_it),
        cmocka_unit_test(json_lines_can_be_read),
        cmocka_unit_test(levels_hold_back),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(a_full_or_closed_pipe_is_survived),
        cmocka_unit_test(words_are_read),
        cmocka_unit_test(any_value_can_be_read_in_both_formats),
        cmocka_unit_test(repeats_are_held_back_and_counted),
        cmocka_unit_test(a_period_ends),
        cmocka_unit_test(many_kinds_take_turns),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
