#include "json_out.h"

#include <inttypes.h>
#include <string.h>

#include "table.h"

void mu_json_name(struct mu_buffer *out, const char *name) {
    char last = out->length > 0 ? out->data[out->length - 1] : '\0';
    if (last != '\0' && strchr("{[:\n", last) == NULL) {
        mu_must(mu_buffer_append(out, ",", 1));
    }
    if (name != NULL) {
        mu_must(mu_buffer_append_json(out, name, strlen(name)));
        mu_must(mu_buffer_append(out, ":", 1));
    }
}

void mu_json_text(struct mu_buffer *out, const char *name, const char *text, size_t length) {
    mu_json_name(out, name);
    mu_must(mu_buffer_append_json(out, text, length));
}

void mu_json_string(struct mu_buffer *out, const char *name, const char *text) {
    if (text == NULL) {
        mu_json_raw(out, name, "null", 4);
    } else {
        mu_json_text(out, name, text, strlen(text));
    }
}

void mu_json_number(struct mu_buffer *out, const char *name, int64_t number) {
    mu_json_name(out, name);
    mu_must(mu_buffer_printf(out, "%" PRId64, number));
}

void mu_json_bool(struct mu_buffer *out, const char *name, int value) {
    mu_json_name(out, name);
    mu_must(mu_buffer_append_text(out, value ? "true" : "false"));
}

void mu_json_raw(struct mu_buffer *out, const char *name, const char *raw, size_t length) {
    mu_json_name(out, name);
    mu_must(mu_buffer_append(out, raw, length));
}

void mu_json_open(struct mu_buffer *out, const char *name, char bracket) {
    mu_json_raw(out, name, &bracket, 1);
}

void mu_json_close(struct mu_buffer *out, char bracket) {
    mu_must(mu_buffer_append(out, &bracket, 1));
}

void mu_json_print(struct mu_buffer *out, FILE *file) {
    fwrite(out->data, 1, out->length, file);
    fputc('\n', file);
    mu_buffer_clear(out);
}
