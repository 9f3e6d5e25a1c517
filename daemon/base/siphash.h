/* siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose keys
 * strangers choose. Not a cryptographic digest. */
#ifndef MU_BASE_SIPHASH_H
#define MU_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define MU_SIPHASH_KEY_SIZE 16

uint64_t mu_siphash(const unsigned char key[MU_SIPHASH_KEY_SIZE], const void *data, size_t length);

#endif
