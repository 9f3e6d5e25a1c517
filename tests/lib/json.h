/* json.h - exact comparison of JSON with a pattern.
 *
 * A pattern is JSON with ' in place of ", and texts that stand for anything of a kind:
 * '#int' '#str' '#bool' '#object' '#array' '#any'. Members of an object may come in any order, but
 * none may be missing and none too many; '#more':0 in a pattern's object allows further ones.
 */
#ifndef MT_JSON_H
#define MT_JSON_H

#include <jansson.h>
#include <stdbool.h>

/* True when `value` matches; otherwise false and `where` (of `size` bytes) says where not. */
bool mt_json_matches(const json_t *value, const json_t *pattern, char *where, size_t size);
/* Parses a pattern; fails the test when it is malformed. The caller owns it. */
json_t *mt_json_pattern(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails the test unless `value` matches the formatted pattern. */
#define mt_expect(value, ...) mt_expect_at((value), __FILE__, __LINE__, __VA_ARGS__)
void mt_expect_at(const json_t *value, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A member of an object; fail the test when it is missing or of another kind. */
long long mt_int(const json_t *object, const char *name);
/* NULL for JSON null. */
const char *mt_str(const json_t *object, const char *name);
bool mt_bool(const json_t *object, const char *name);

#endif
