/* file.h - the JWKS file: is it another one, may it be trusted, what is in it. Blocks: on a thread
 * of the pool, or where the loop may read a small file. */
#ifndef JWT_FILE_H
#define JWT_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "keys.h"

#define JWT_WRONG_MAX 400 /* bytes of a sentence */

/* Which state of which file: anything that changes it changes this. */
struct jwt_stamp {
    bool there;
    struct stat about;
};

bool jwt_stamp_equal(const struct jwt_stamp *a, const struct jwt_stamp *b);
/* As it is now; a file that cannot be looked at is not there. */
struct jwt_stamp jwt_file_stamp(const char *path);

/* Reads the keys. NULL: `wrong` (JWT_WRONG_MAX bytes) says why; empty: it changed while it was
 * read, look again. *stamp is that of what was read. */
struct jwt_keys *jwt_file_read(const char *path, struct jwt_stamp *stamp, char *wrong);

#endif
