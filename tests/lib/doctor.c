#include "lib/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/process.h"
#include "lib/test.h"

#define WORDS_MAX 32
#define CODES_MAX 32

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *joined(const char *const *words, size_t count) {
    char *out = calloc(count + 1, 64);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        strcat(out, i > 0 ? " " : "");
        strncat(out, words[i], 62);
    }
    return out;
}

static void read_codes(struct mt_diagnosis *diagnosis) {
    const char *codes[CODES_MAX] = {NULL};
    const json_t *finding = NULL;
    size_t count = 0;
    size_t i = 0;
    json_array_foreach(json_object_get(diagnosis->json, "findings"), i, finding) {
        assert_true(count < CODES_MAX);
        assert_true(strlen(mt_str(finding, "consequence")) > 0);
        assert_true(strlen(mt_str(finding, "mend")) > 0);
        assert_null(strchr(mt_str(finding, "mend"), '$')); /* all was filled in */
        codes[count++] = mt_str(finding, "code");
    }
    qsort(codes, count, sizeof codes[0], by_text);
    diagnosis->codes = joined(codes, count);
}

static void read_checks(struct mt_diagnosis *diagnosis) {
    const char *unmade[64];
    const json_t *check = NULL;
    size_t count = 0;
    size_t i = 0;
    json_array_foreach(json_object_get(diagnosis->json, "checks"), i, check) {
        if (strcmp(mt_str(check, "outcome"), "not made") == 0) {
            assert_true(count < 64);
            assert_true(strlen(mt_str(check, "saw")) > 0); /* it says why */
            unmade[count++] = mt_str(check, "check");
        }
    }
    assert_int_equal(mt_int(diagnosis->json, "not_made"), count);
    assert_int_equal(mt_int(diagnosis->json, "made") + mt_int(diagnosis->json, "not_needed") +
                         (long long)count,
                     i);
    diagnosis->unmade = joined(unmade, count);
}

struct mt_diagnosis mt_doctor(struct mt_world *world, const char *const arguments[]) {
    const char *argv[WORDS_MAX] = {MUSTER_BUILD_DIR "/musterctl", "doctor", "--json"};
    struct mt_diagnosis diagnosis = {0};
    size_t count = 3;
    char *out = NULL;
    for (size_t i = 0; arguments[i] != NULL; i++) {
        assert_true(count < WORDS_MAX - 1);
        argv[count++] = arguments[i];
    }
    diagnosis.exit_status = mt_process_run(world, "doctor", argv, &out);
    diagnosis.json = json_loads(out, 0, NULL);
    if (diagnosis.json == NULL)
        mt_fail(world, "doctor ended with %d and wrote no JSON: %s", diagnosis.exit_status, out);
    read_codes(&diagnosis);
    read_checks(&diagnosis);
    bool fine = diagnosis.codes[0] == '\0' && diagnosis.unmade[0] == '\0';
    if (fine != (diagnosis.exit_status == 0) || fine != mt_bool(diagnosis.json, "fine"))
        mt_fail(world, "exit status %d with: %s", diagnosis.exit_status, out);
    free(out);
    return diagnosis;
}

void mt_diagnosis_deinit(struct mt_diagnosis *diagnosis) {
    free(diagnosis->codes);
    free(diagnosis->unmade);
    json_decref(diagnosis->json);
}

void mt_doctor_expect(struct mt_world *world, const char *codes, const char *unmade,
                      const char *const arguments[]) {
    struct mt_diagnosis diagnosis = mt_doctor(world, arguments);
    if (strcmp(diagnosis.codes, codes) != 0 ||
        (unmade != NULL && strcmp(diagnosis.unmade, unmade) != 0)) {
        char *text = json_dumps(diagnosis.json, JSON_INDENT(1));
        mt_fail(world, "expected '%s' (not made: %s), got '%s' (%s):\n%s", codes,
                unmade != NULL ? unmade : "any", diagnosis.codes, diagnosis.unmade, text);
    }
    mt_diagnosis_deinit(&diagnosis);
}
