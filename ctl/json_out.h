/* json_out.h - JSON output: values appended to a buffer, printed at the end of a command. */
#ifndef MU_CTL_JSON_OUT_H
#define MU_CTL_JSON_OUT_H

#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"

/* All end the process when memory is out. `name` is put before the value with a colon, unless it
 * is NULL; a comma is set where the buffer does not end in `{`, `[` or `:` and is not empty. */
void mu_json_name(struct mu_buffer *out, const char *name);
void mu_json_text(struct mu_buffer *out, const char *name, const char *text, size_t length);
void mu_json_string(struct mu_buffer *out, const char *name, const char *text); /* NULL: null */
void mu_json_number(struct mu_buffer *out, const char *name, int64_t number);
void mu_json_bool(struct mu_buffer *out, const char *name, int value);
/* Verbatim: `{`, `[`, or a value that is JSON already. */
void mu_json_raw(struct mu_buffer *out, const char *name, const char *raw, size_t length);
void mu_json_open(struct mu_buffer *out, const char *name, char bracket);
void mu_json_close(struct mu_buffer *out, char bracket);
/* Writes the buffer and a newline, and clears it. */
void mu_json_print(struct mu_buffer *out, FILE *file);

#endif
