/* generate_damage.c - arguments that are wrong, and objects that are right in odd ways. */
#include <stdlib.h>
#include <string.h>

#include "property/generate.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const char *const objects[] = {
    "{}",
    "{\"n\":1}",
    "{ \"list\" : [] , \"empty\":{}}",
    "{\"price\":1.50,\"big\":9007199254740993}",
    "{\"text\":\"\\u00e9\\n\\\"quoted\\\" \\\\ /\"}",
    "{\"text\":\"gr\xc3\xbc\xc3\x9f dich\"}",
    "{\"profile\":{\"connection\":\"c1\",\"profile\":{}}}",
    "\t{\"away\":true,\"rank\":1,\"lead\":false}\n",
};

static const char *const not_objects[] = {
    "{\"a\":NaN}",      "{\"a\":01}", "[1]",   "{\"a\":1",   "\"text\"", "{\"a\":\"\x01\"}",
    "{\"a\":\"\xff\"}", "{\"a\":1}x", "{a:1}", "{\"a\":1,}", "null",     "{\"a\":\"\\ud800\"}",
    "{\"a\":+1}",       "{\"a\":.5}",
};

static const char *const bad_ids[] = {"with space", "a/b", "a:b", "{x}", "\xc3\xa9", "a,b", "a\"b"};

static const char *const bad_options[] = {
    "{\"priority\":1024}",
    "{\"priority\":1.5}",
    "{\"priority\":\"5\"}",
    "{\"lead\":0}",
    "{\"limit\":0}",
    "{\"limit\":true}",
    "{\"user\":7}",
    "{\"user\":\"a/b\"}",
    "{\"unknown\":1}",
    "{\"user\":\"\"}",
    "{\"limit\":-3}",
    "{\"lead\":null}",
    "{\"quota\":{}}",
    "{\"quota\":{\"holder\":\"h1\",\"sessions\":0}}",
    "{\"quota\":{\"holder\":\"a/b\"}}",
    "{\"quota\":{\"holder\":\"h1\",\"more\":1}}",
};

const char *pm_random_object(struct pm_random *random) {
    return objects[pm_below(random, LENGTH(objects))];
}

static void replace(struct pm_step *step, size_t index, const char *text) {
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    free(step->arguments[index]);
    step->arguments[index] = copy;
}

static void replace_by_long(struct pm_step *step, size_t index, const char *start, char filler,
                            size_t length, const char *end) {
    char *text = NULL;
    char filling[400];
    memset(filling, filler, sizeof filling);
    if (asprintf(&text, "%s%.*s%s", start, (int)length, filling, end) < 0)
        abort();
    replace(step, index, text);
    free(text);
}

void pm_generate_damage(struct pm_steps *steps, struct pm_random *random) {
    struct pm_step *step = &steps->list[steps->count - 1];
    if (step->count == 0)
        return;
    size_t index = pm_below(random, step->count);
    switch (pm_below(random, 8)) {
    case 0:
        free(step->arguments[--step->count]);
        break;
    case 1:
        if (step->count < PM_ARGUMENTS)
            pm_step_argument(step, "one-more");
        break;
    case 2:
        replace(step, index, bad_ids[pm_below(random, LENGTH(bad_ids))]);
        break;
    case 3:
        replace_by_long(step, index, "", 'x', 129, "");
        break;
    case 4:
        replace(step, index, "");
        break;
    case 5:
        replace_by_long(step, step->count - 1, "{\"long\":\"", 'y', 300, "\"}");
        break;
    case 6:
        replace(step, step->count - 1, bad_options[pm_below(random, LENGTH(bad_options))]);
        break;
    default:
        replace(step, step->count - 1, not_objects[pm_below(random, LENGTH(not_objects))]);
        break;
    }
}
