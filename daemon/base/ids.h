/* ids.h - ids as model.md defines them: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = - */
#ifndef MU_BASE_IDS_H
#define MU_BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_ID_MAX 128
#define MU_ID_SIZE (MU_ID_MAX + 1)
#define MU_RANDOM_ID_SIZE 27 /* 26 characters and NUL: 130 random bits, lower-case base32 */

bool mu_id_valid(const char *id, size_t length);
/* How many bytes at the front of `text` an id may hold; at most `length`. */
size_t mu_id_span(const char *text, size_t length);

/* Random bytes of the kernel (getrandom); aborts the process if the kernel has none to give. */
void mu_random_bytes(void *out, size_t size);
/* A random id from the kernel's bytes: incarnations, nonces, generations. */
void mu_random_id(char out[MU_RANDOM_ID_SIZE]);
/* Uniform in [0, bound), bound > 0. From the kernel's bytes. */
uint64_t mu_random_below(uint64_t bound);

#endif
