/* Lines of the log: both formats, quoting, levels, and that no line is ever broken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_lines),
        cmocka_unit_test(logfmt_quotes_what_needs_it),
        cmocka_unit_test(json_lines_can_be_read),
        cmocka_unit_test(levels_hold_back),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(a_full_or_closed_pipe_is_survived),
        cmocka_unit_test(words_are_read),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
