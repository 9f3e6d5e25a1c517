/* text.h - text of a configuration: what may stand in it, `${NAME}`, secrets in files. */
#ifndef MU_CONFIG_TEXT_H
#define MU_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

#define MU_TEXT_SHOWN 64

/* UTF-8 without control characters and without what YAML reads as a line break. */
bool mu_text_printable(const char *text, size_t length);

/* `text` fit for an error sentence: cut, and what is not printable shown as `?`. Returns out. */
char *mu_text_show(char out[MU_TEXT_SHOWN], const char *text, size_t length);

/* Appends `text` with `${NAME}` replaced by the environment and `$$` by a dollar sign.
 * The sentence of an error never repeats `text`, which may be a secret. */
enum muster_status mu_text_expand(struct mu_buffer *out, const char *text, size_t length,
                                  struct mu_error *error);

/* Appends the contents of the file without its last newline. A relative `path` is relative to
 * `directory`. Refuses a file that all may read or that is no regular file. Blocks. */
enum muster_status mu_text_read_secret(struct mu_buffer *out, const char *directory,
                                       const char *path, struct mu_error *error);

#endif
