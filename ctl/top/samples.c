#include "top/samples.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define BUCKETS_MAX 32

struct sample {
    const char *name;   /* in the text, NUL-terminated */
    const char *labels; /* without the braces; "" */
    double value;
};

struct mu_samples {
    char *text;
    struct sample *items;
    size_t count;
};

/* `line` becomes name, labels and value. */
static bool read_line(char *line, struct sample *sample) {
    char *value = strrchr(line, ' ');
    char *end = NULL;
    if (line[0] == '#' || value == NULL) {
        return false;
    }
    *value++ = '\0';
    sample->value = strtod(value, &end);
    sample->name = line;
    sample->labels = "";
    char *open = strchr(line, '{');
    char *close = strrchr(line, '}');
    if (open != NULL && close != NULL) {
        *open = '\0';
        *close = '\0';
        sample->labels = open + 1;
    }
    return end != value && *end == '\0';
}

struct mu_samples *mu_samples_parse(const char *text, size_t length) {
    struct mu_samples *self = mu_calloc(1, sizeof *self);
    size_t lines = 1;
    self->text = mu_strndup(text, length);
    for (const char *at = self->text; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    self->items = mu_calloc(lines, sizeof *self->items);
    char *rest = NULL;
    for (char *line = strtok_r(self->text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        self->count += read_line(line, &self->items[self->count]);
    }
    return self;
}

void mu_samples_destroy(struct mu_samples **samples) {
    if (*samples != NULL) {
        free((*samples)->text);
        free((*samples)->items);
        free(*samples);
    }
    *samples = NULL;
}

double mu_samples_sum(const struct mu_samples *self, const char *name, const char *label) {
    double sum = 0;
    bool found = false;
    for (size_t i = 0; self != NULL && i < self->count; i++) {
        const struct sample *sample = &self->items[i];
        if (strcmp(sample->name, name) == 0 &&
            (label == NULL || strstr(sample->labels, label) != NULL)) {
            sum += sample->value;
            found = true;
        }
    }
    return found ? sum : NAN;
}

/* ---- histograms ---- */

struct buckets {
    double bounds[BUCKETS_MAX];
    double below[BUCKETS_MAX];
    size_t count;
};

/* Adds what all series of the name have, `sign` times. */
static void add_buckets(struct buckets *buckets, const struct mu_samples *self, const char *name,
                        double sign) {
    size_t length = strlen(name);
    for (size_t i = 0; self != NULL && i < self->count; i++) {
        const struct sample *sample = &self->items[i];
        const char *bound = strstr(sample->labels, "le=\"");
        if (strncmp(sample->name, name, length) != 0 ||
            strcmp(sample->name + length, "_bucket") != 0 || bound == NULL) {
            continue;
        }
        double value = strtod(bound + strlen("le=\""), NULL); /* "+Inf" is read as well */
        size_t at = 0;
        while (at < buckets->count && buckets->bounds[at] != value) {
            at++;
        }
        if (at == buckets->count && at < BUCKETS_MAX) { /* they come in ascending order */
            buckets->bounds[buckets->count++] = value;
        }
        if (at < BUCKETS_MAX) {
            buckets->below[at] += sign * sample->value;
        }
    }
}

double mu_samples_quantile(const struct mu_samples *now, const struct mu_samples *before,
                           const char *name, double share) {
    struct buckets buckets = {.count = 0};
    add_buckets(&buckets, now, name, 1);
    add_buckets(&buckets, before, name, -1);
    double total = buckets.count > 0 ? buckets.below[buckets.count - 1] : 0;
    double wanted = total * share;
    double low = 0;
    double below = 0;
    if (total <= 0) {
        return NAN;
    }
    for (size_t i = 0; i < buckets.count; i++) {
        if (buckets.below[i] >= wanted) {
            double inside = buckets.below[i] - below;
            bool open = isinf(buckets.bounds[i]) != 0;
            return open || inside <= 0
                       ? low
                       : low + (buckets.bounds[i] - low) * (wanted - below) / inside;
        }
        low = buckets.bounds[i];
        below = buckets.below[i];
    }
    return low;
}
