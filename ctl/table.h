/* table.h - text for people: aligned columns, ages, and strangers' bytes made harmless. */
#ifndef MU_CTL_TABLE_H
#define MU_CTL_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"

struct mu_columns;

/* `headers`: the titles, separated by `|`; one that begins with `>` is aligned to the right. */
struct mu_columns *mu_columns_create(const char *headers);
/* The next cell of the present row; rows fill from the left. Bytes that are no printable text
 * are shown as \xNN; a cell is cut at 80 characters. */
void mu_columns_cell(struct mu_columns *columns, const char *format, ...) MU_PRINTF(2, 3);
size_t mu_columns_rows(const struct mu_columns *columns);
/* Prints everything, the header first, forgets the rows but keeps the widths. */
void mu_columns_print(struct mu_columns *columns, FILE *out);
void mu_columns_destroy(struct mu_columns **columns);

/* `text` with control bytes and invalid UTF-8 as \xNN, appended to `out`. */
void mu_append_safe(struct mu_buffer *out, const char *text, size_t length);

#define MU_AGE_SIZE 24
/* "3.2s", "5m02s", "2h10m", "3d04h"; "-" when negative. Returns out. */
char *mu_age(char out[MU_AGE_SIZE], int64_t ms);

/* Ends the process when a buffer without a limit could not grow. */
void mu_must(bool appended);

#endif
