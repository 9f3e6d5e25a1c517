/* names.h - each text once, with a small number: 0, 1, 2, … in the order of their coming.
 *
 * A namespace may hold millions of ids; a table of pointers to structs would take several times
 * the bytes of the texts themselves.
 */
#ifndef MU_CTL_FSCK_NAMES_H
#define MU_CTL_FSCK_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define MU_NAME_NONE UINT32_MAX

struct mu_names {
    char **texts; /* by number; NUL-terminated, the length in the four bytes before */
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* number + 1; 0: free. A power of two, at most half full */
    uint32_t slot_count;
    char **chunks;
    size_t chunk_count;
    char *place; /* in the last chunk: where the next text goes */
    size_t chunk_left;
};

void mu_names_init(struct mu_names *names);
void mu_names_deinit(struct mu_names *names);
uint32_t mu_names_put(struct mu_names *names, const char *text, size_t length);
uint32_t mu_names_find(const struct mu_names *names, const char *text, size_t length);
const char *mu_names_text(const struct mu_names *names, uint32_t number);
size_t mu_names_length(const struct mu_names *names, uint32_t number);

#endif
