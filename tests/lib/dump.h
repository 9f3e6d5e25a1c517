/* dump.h - a whole Redis database as one comparable text.
 *
 * Every key in order of name, with its type, whether it expires, and all it holds (fields, members
 * and scores in order). Left out is what changes by itself: how long a key has still to
 * live, the list that daemons make of themselves (`daemons`), `instance:<i>:alive`, and `journal`.
 */
#ifndef MT_DUMP_H
#define MT_DUMP_H

#include "lib/redis.h"

/* The caller frees it. */
char *mt_dump(struct mt_redis *redis);

/* Fails the test and prints the first line that differs. */
#define mt_assert_same_dump(before, after)                                                         \
    mt_assert_same_dump_at((before), (after), __FILE__, __LINE__)
void mt_assert_same_dump_at(const char *before, const char *after, const char *file, int line);

#endif
