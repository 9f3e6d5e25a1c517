/* What everything else stands on: status words, buffers, ids, errors, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/siphash.h"
#include "base/table.h"
#include "base/utf8.h"
#include "muster/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void status_words_go_both_ways(void **state) {
    (void)state;
    for (int i = MUSTER_OK + 1; i < MUSTER_STATUS_COUNT; i++) {
        enum muster_status status = (enum muster_status)i;
        const char *code = muster_status_code(status);
        enum muster_status read = MUSTER_OK;
        char line[128];

        assert_true(muster_status_parse(code, strlen(code), &read));
        assert_int_equal(read, status);
        snprintf(line, sizeof line, "%s a sentence", code);
        read = MUSTER_OK;
        assert_true(muster_status_parse(line, strlen(line), &read));
        assert_int_equal(read, status);
        assert_true(strlen(muster_status_meaning(status)) > 0);
    }
    assert_string_equal(muster_status_code(MUSTER_OK), "OK");
    assert_string_equal(muster_status_code(MUSTER_BAD_ID), "BAD_ID");
    assert_string_equal(muster_status_code(MUSTER_STATUS_COUNT), "INTERNAL");
    assert_true(muster_status_retry(MUSTER_UNAVAILABLE));
    assert_true(muster_status_retry(MUSTER_SESSION_FULL));
    assert_false(muster_status_retry(MUSTER_BAD_ID));
    assert_false(muster_status_retry(MUSTER_OK));
}

static void status_refuses_what_is_no_code(void **state) {
    static const char *const words[] = {"",          " ",     "OK",     "ERR",
                                        "BAD_IDS x", "BAD_I", "bad_id", "BAD_ID\tx"};

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        enum muster_status status = MUSTER_DENIED;

        assert_false(muster_status_parse(words[i], strlen(words[i]), &status));
        assert_int_equal(status, MUSTER_DENIED);
    }
    /* Only `length` bytes count. */
    enum muster_status status = MUSTER_DENIED;
    assert_false(muster_status_parse("BAD_ID", 5, &status));
    assert_true(muster_status_parse("BAD_IDxx", 6, &status));
}

static void buffer_grows_and_stays_terminated(void **state) {
    struct mu_buffer buffer;
    char expected[5001];

    (void)state;
    mu_buffer_init(&buffer, 0);
    for (size_t i = 0; i < 5000; i++) {
        expected[i] = (char)('a' + i % 26);
        assert_true(mu_buffer_append(&buffer, &expected[i], 1));
        assert_int_equal(buffer.data[buffer.length], '\0');
    }
    expected[5000] = '\0';
    assert_string_equal(buffer.data, expected);
    mu_buffer_consume(&buffer, 4990);
    assert_string_equal(buffer.data, expected + 4990);
    mu_buffer_consume(&buffer, 11);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer.data, "");
    assert_true(mu_buffer_append_text(&buffer, "x"));
    mu_buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    mu_buffer_deinit(&buffer);
    assert_null(buffer.data);
    mu_buffer_consume(&buffer, 1);
    mu_buffer_clear(&buffer);
}

static void buffer_keeps_its_limit(void **state) {
    struct mu_buffer buffer;

    (void)state;
    mu_buffer_init(&buffer, 8);
    assert_true(mu_buffer_append_text(&buffer, "12345678"));
    assert_true(mu_buffer_append(&buffer, "", 0));
    assert_false(mu_buffer_append(&buffer, "9", 1));
    assert_false(mu_buffer_printf(&buffer, "%d", 9));
    assert_string_equal(buffer.data, "12345678");
    mu_buffer_clear(&buffer);
    assert_false(mu_buffer_append(&buffer, "", SIZE_MAX));
    assert_true(mu_buffer_printf(&buffer, "%s%d", "abc", 45));
    assert_string_equal(buffer.data, "abc45");
    assert_false(mu_buffer_append_json(&buffer, "xy", 2));
    assert_string_equal(buffer.data, "abc45");
    assert_true(mu_buffer_append_json(&buffer, "x", 1));
    assert_string_equal(buffer.data, "abc45\"x\"");
    mu_buffer_deinit(&buffer);
}

static void buffer_escapes_json(void **state) {
    static const struct {
        const char *text;
        size_t length;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain / text", 12, "\"plain / text\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\b\f\n\r\t\x01\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {"\xC2\x9B", 2, "\"\\u009b\""}, /* begins a command to a terminal */
        {"\xFF", 1, "\"\xEF\xBF\xBD\""},
        {"a\xC3", 2, "\"a\xEF\xBF\xBD\""},                               /* cut off */
        {"\xC0\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* overlong */
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* surrogate */
        {"\xF4\x90\x80\x80", 4,
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* above U+10FFFF */
        {"\xC3(", 2, "\"\xEF\xBF\xBD(\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mu_buffer buffer;

        mu_buffer_init(&buffer, 0);
        assert_true(mu_buffer_append_json(&buffer, cases[i].text, cases[i].length));
        assert_string_equal(buffer.data, cases[i].json);
        mu_buffer_deinit(&buffer);
    }
}

static void utf8_is_strict(void **state) {
    static const struct {
        const char *text;
        size_t left, size;
        uint32_t code;
    } cases[] = {
        {"a", 1, 1, 'a'},
        {"\xC2\x80", 2, 2, 0x80},
        {"\xDF\xBF", 2, 2, 0x7FF},
        {"\xE0\xA0\x80", 3, 3, 0x800},
        {"\xED\x9F\xBF", 3, 3, 0xD7FF},
        {"\xEF\xBF\xBF", 3, 3, 0xFFFF},
        {"\xF0\x90\x80\x80", 4, 4, 0x10000},
        {"\xF4\x8F\xBF\xBF", 4, 4, 0x10FFFF},
        {"\x80", 1, 0, 0},
        {"\xC1\xBF", 2, 0, 0},
        {"\xE0\x9F\xBF", 3, 0, 0},
        {"\xED\xA0\x80", 3, 0, 0},
        {"\xF0\x8F\xBF\xBF", 4, 0, 0},
        {"\xF4\x90\x80\x80", 4, 0, 0},
        {"\xF5\x80\x80\x80", 4, 0, 0},
        {"\xE2\x82\xAC", 2, 0, 0},
        {"\xE2\x82(", 3, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t code = 0;

        assert_int_equal(
            mu_utf8_sequence((const unsigned char *)cases[i].text, cases[i].left, &code),
            cases[i].size);
        assert_int_equal(code, cases[i].code);
    }
}

static void ids_are_what_the_model_says(void **state) {
    static const char good[] = "ABCXYZabcxyz0189._~@|+=-";
    char longest[MU_ID_MAX + 2];

    (void)state;
    assert_true(mu_id_valid(good, strlen(good)));
    for (int byte = 0; byte < 256; byte++) {
        char id[1] = {(char)byte};
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool digit = byte >= '0' && byte <= '9';
        bool sign = byte != 0 && strchr("._~@|+=-", byte) != NULL;

        assert_int_equal(mu_id_valid(id, 1), letter || digit || sign);
    }
    assert_false(mu_id_valid("", 0));
    assert_false(mu_id_valid(NULL, 0));
    memset(longest, 'x', sizeof longest);
    assert_true(mu_id_valid(longest, MU_ID_MAX));
    assert_false(mu_id_valid(longest, MU_ID_MAX + 1));
    assert_false(mu_id_valid("a b", 3));
    assert_false(mu_id_valid("a\0b", 3));
}

static void random_ids_are_ids_and_differ(void **state) {
    char seen[100][MU_RANDOM_ID_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(seen); i++) {
        mu_random_id(seen[i]);
        assert_int_equal(strlen(seen[i]), MU_RANDOM_ID_SIZE - 1);
        assert_true(mu_id_valid(seen[i], strlen(seen[i])));
        assert_int_equal(strspn(seen[i], "abcdefghijklmnopqrstuvwxyz234567"), strlen(seen[i]));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(seen[i], seen[j]);
        }
    }
}

static void random_below_reaches_all_and_no_more(void **state) {
    bool seen[7] = {false};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(mu_random_below(1), 0);
        seen[mu_random_below(COUNT(seen))] = true;
        assert_true(mu_random_below((UINT64_MAX / 2) + 2) <= UINT64_MAX / 2 + 1);
    }
    for (size_t i = 0; i < COUNT(seen); i++) {
        count += seen[i];
    }
    assert_int_equal(count, COUNT(seen));
}

static void errors_are_set_and_prefixed(void **state) {
    struct mu_error error;

    (void)state;
    assert_int_equal(mu_error_set(&error, MUSTER_DENIED, "no %s for %d", "way", 7), MUSTER_DENIED);
    assert_int_equal(error.status, MUSTER_DENIED);
    assert_string_equal(error.text, "no way for 7");
    assert_int_equal(mu_error_prefix(&error, "file %d", 3), MUSTER_DENIED);
    assert_string_equal(error.text, "file 3: no way for 7");
    assert_int_equal(mu_error_set(&error, MUSTER_INTERNAL, "again: %s", error.text),
                     MUSTER_INTERNAL);
    assert_string_equal(error.text, "again: file 3: no way for 7");
    assert_int_equal(mu_error_set(NULL, MUSTER_TIMEOUT, "x"), MUSTER_TIMEOUT);
}

static void long_errors_are_cut_between_characters(void **state) {
    struct mu_error error;
    char text[2 * MU_ERROR_TEXT];

    (void)state;
    /* Two bytes each; at one of the two offsets the cut would fall inside a character. */
    for (size_t offset = 0; offset < 2; offset++) {
        size_t end;

        memset(text, 'x', offset);
        for (size_t i = offset; i < sizeof text; i++) {
            text[i] = (i - offset) % 2 == 0 ? '\xC3' : '\xA4';
        }
        text[sizeof text - 1] = '\0';
        mu_error_set(&error, MUSTER_INTERNAL, "%s", text);
        end = strlen(error.text);
        assert_true(end < MU_ERROR_TEXT && end > MU_ERROR_TEXT - 8);
        assert_string_equal(error.text + end - 3, "...");
        assert_int_equal((unsigned char)error.text[end - 4], 0xA4);
        mu_error_prefix(&error, "%s", text);
        assert_int_equal(error.status, MUSTER_INTERNAL);
        assert_string_equal(error.text + strlen(error.text) - 3, "...");
    }
}

static void allocation_never_gives_null(void **state) {
    char *copy;

    (void)state;
    copy = mu_calloc(0, 8);
    assert_non_null(copy);
    copy = mu_realloc(copy, 0);
    assert_non_null(copy);
    free(copy);
    copy = mu_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    free(copy);
    copy = mu_strndup("ab", 5);
    assert_string_equal(copy, "ab");
    free(copy);
    copy = mu_strdup("");
    assert_string_equal(copy, "");
    free(copy);
}

static void clocks_do_not_go_back(void **state) {
    uint64_t boottime = mu_clock_boottime_ms();
    uint64_t monotonic = mu_clock_monotonic_us();

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        uint64_t boottime_now = mu_clock_boottime_ms();
        uint64_t monotonic_now = mu_clock_monotonic_us();

        assert_true(boottime_now >= boottime);
        assert_true(monotonic_now >= monotonic);
        boottime = boottime_now;
        monotonic = monotonic_now;
    }
    assert_true(mu_clock_realtime_ms() > UINT64_C(1600000000000));
}

/* Key 00 01 .. 0f, message 00 01 .. of each length: appendix A of the paper and the vectors of
 * its reference implementation. */
static void siphash_gives_the_vectors_of_the_paper(void **state) {
    static const uint64_t vectors[] = {
        UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
        UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
        UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
        UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
        UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
        UINT64_C(0xa129ca6149be45e5),
    };
    unsigned char key[MU_SIPHASH_KEY_SIZE], message[COUNT(vectors)];

    (void)state;
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < COUNT(vectors); i++) {
        message[i] = (unsigned char)i;
        assert_true(mu_siphash(key, message, i) == vectors[i]);
    }
}

struct entry {
    char id[16];
    UT_hash_handle hh;
};

static void tables_find_what_was_added(void **state) {
    struct entry *table = NULL, *entry, *next;
    unsigned before = mu_table_hash("abc", 3);

    (void)state;
    mu_table_init();
    assert_int_equal(mu_table_hash("abc", 3), before);
    for (int i = 0; i < 1000; i++) {
        entry = mu_calloc(1, sizeof *entry);
        snprintf(entry->id, sizeof entry->id, "c%d", i);
        HASH_ADD_STR(table, id, entry);
    }
    assert_int_equal(HASH_COUNT(table), 1000);
    HASH_FIND_STR(table, "c777", entry);
    assert_non_null(entry);
    assert_string_equal(entry->id, "c777");
    HASH_FIND_STR(table, "c1000", entry);
    assert_null(entry);
    HASH_ITER(hh, table, entry, next) {
        HASH_DEL(table, entry);
        free(entry);
    }
    assert_null(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_words_go_both_ways),
        cmocka_unit_test(status_refuses_what_is_no_code),
        cmocka_unit_test(buffer_grows_and_stays_terminated),
        cmocka_unit_test(buffer_keeps_its_limit),
        cmocka_unit_test(buffer_escapes_json),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(ids_are_what_the_model_says),
        cmocka_unit_test(random_ids_are_ids_and_differ),
        cmocka_unit_test(random_below_reaches_all_and_no_more),
        cmocka_unit_test(errors_are_set_and_prefixed),
        cmocka_unit_test(long_errors_are_cut_between_characters),
        cmocka_unit_test(allocation_never_gives_null),
        cmocka_unit_test(clocks_do_not_go_back),
        cmocka_unit_test(siphash_gives_the_vectors_of_the_paper),
        cmocka_unit_test(tables_find_what_was_added),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
