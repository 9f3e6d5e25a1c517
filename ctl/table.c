#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CELL_MAX 80

struct mu_columns {
    size_t count;
    char **titles;
    bool *right;
    size_t *widths;
    char **cells;
    size_t cell_count;
    size_t cell_capacity;
    bool header_printed;
};

void mu_must(bool appended) {
    if (!appended) {
        abort();
    }
}

/* Length of the valid, printable UTF-8 sequence at `at`; 0 when there is none. */
static size_t printable(const unsigned char *at, size_t left) {
    size_t length = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0x20 || at[0] == 0x7f || (at[0] >= 0x80 && at[0] < 0xc2) || at[0] > 0xf4 ||
        length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((at[0] == 0xc2 && at[1] < 0xa0) || (at[0] == 0xe0 && at[1] < 0xa0) ||
        (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    return length;
}

void mu_append_safe(struct mu_buffer *out, const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < length;) {
        size_t run = printable(bytes + i, length - i);
        if (run > 0) {
            mu_must(mu_buffer_append(out, text + i, run));
            i += run;
        } else {
            mu_must(mu_buffer_printf(out, "\\x%02x", bytes[i]));
            i++;
        }
    }
}

/* Characters, not bytes: good enough for columns. */
static size_t characters(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

static void cut(char *text) {
    size_t count = 0;
    for (char *at = text; *at != '\0'; at++) {
        if (((unsigned char)*at & 0xc0) == 0x80) {
            continue;
        }
        if (++count > CELL_MAX - 3 && strlen(at) > 3) {
            memcpy(at, "...", 4);
            return;
        }
    }
}

struct mu_columns *mu_columns_create(const char *headers) {
    struct mu_columns *columns = mu_calloc(1, sizeof *columns);
    for (const char *at = headers; at != NULL;) {
        const char *end = strchr(at, '|');
        size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        size_t n = columns->count++;
        columns->titles = mu_realloc(columns->titles, columns->count * sizeof *columns->titles);
        columns->right = mu_realloc(columns->right, columns->count * sizeof *columns->right);
        columns->widths = mu_realloc(columns->widths, columns->count * sizeof *columns->widths);
        columns->right[n] = length > 0 && *at == '>';
        columns->titles[n] =
            columns->right[n] ? mu_strndup(at + 1, length - 1) : mu_strndup(at, length);
        columns->widths[n] = characters(columns->titles[n]);
        at = end != NULL ? end + 1 : NULL;
    }
    return columns;
}

void mu_columns_cell(struct mu_columns *columns, const char *format, ...) {
    struct mu_buffer safe;
    char *raw = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&raw, format, arguments);
    va_end(arguments);
    mu_must(length >= 0);
    mu_buffer_init(&safe, 0);
    mu_append_safe(&safe, raw, (size_t)length);
    free(raw);

    char *cell = mu_strdup(safe.data != NULL ? safe.data : "");
    mu_buffer_deinit(&safe);
    cut(cell);
    if (columns->cell_count == columns->cell_capacity) {
        columns->cell_capacity = columns->cell_capacity * 2 + 64;
        columns->cells =
            mu_realloc(columns->cells, columns->cell_capacity * sizeof *columns->cells);
    }
    size_t column = columns->cell_count % columns->count;
    size_t width = characters(cell);
    if (width > columns->widths[column]) {
        columns->widths[column] = width;
    }
    columns->cells[columns->cell_count++] = cell;
}

size_t mu_columns_rows(const struct mu_columns *columns) {
    return columns->cell_count / columns->count;
}

static void print_cell(const struct mu_columns *columns, size_t column, const char *text,
                       FILE *out) {
    size_t width = characters(text);
    size_t pad = columns->widths[column] > width ? columns->widths[column] - width : 0;
    const char *gap = column == 0 ? "" : "  ";
    if (columns->right[column]) {
        fprintf(out, "%s%*s%s", gap, (int)pad, "", text);
    } else if (column + 1 == columns->count) {
        fprintf(out, "%s%s", gap, text);
    } else {
        fprintf(out, "%s%s%*s", gap, text, (int)pad, "");
    }
}

void mu_columns_print(struct mu_columns *columns, FILE *out) {
    assert(columns->count > 0);
    if (!columns->header_printed) {
        for (size_t i = 0; i < columns->count; i++) {
            print_cell(columns, i, columns->titles[i], out);
        }
        fputc('\n', out);
        columns->header_printed = true;
    }
    for (size_t i = 0; i < columns->cell_count; i++) {
        size_t column = i % columns->count;
        print_cell(columns, column, columns->cells[i], out);
        if (column + 1 == columns->count) {
            fputc('\n', out);
        }
        free(columns->cells[i]);
    }
    columns->cell_count = 0;
}

void mu_columns_destroy(struct mu_columns **columns) {
    struct mu_columns *old = *columns;
    *columns = NULL;
    if (old == NULL) {
        return;
    }
    for (size_t i = 0; i < old->cell_count; i++) {
        free(old->cells[i]);
    }
    for (size_t i = 0; i < old->count; i++) {
        free(old->titles[i]);
    }
    free(old->titles);
    free(old->right);
    free(old->widths);
    free(old->cells);
    free(old);
}

char *mu_age(char out[MU_AGE_SIZE], int64_t ms) {
    int64_t s = ms / 1000;
    if (ms < 0) {
        snprintf(out, MU_AGE_SIZE, "-");
    } else if (s < 60) {
        snprintf(out, MU_AGE_SIZE, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
    } else if (s < 3600) {
        snprintf(out, MU_AGE_SIZE, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(out, MU_AGE_SIZE, "%" PRId64 "h%02" PRId64 "m", s / 3600, s % 3600 / 60);
    } else {
        snprintf(out, MU_AGE_SIZE, "%" PRId64 "d%02" PRId64 "h", s / 86400, s % 86400 / 3600);
    }
    return out;
}
