#include "metrics/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SOURCES_MAX 16

struct muster_metric {
    char *name;
    char *label; /* "" when there is none */
    char *help;
    enum muster_metric_kind kind;
    bool in_seconds; /* the value is in microseconds */
    enum mu_histogram_kind histogram_kind;
    struct mu_histogram *histogram; /* NULL: a plain number */
    _Atomic int64_t value;
};

struct source {
    void (*collect)(void *context);
    void *context;
};

struct mu_metrics {
    struct muster_metric **sorted; /* by name, then label */
    size_t count;
    struct source sources[SOURCES_MAX];
    size_t source_count;
};

struct mu_metrics *mu_metrics_create(void) {
    return mu_calloc(1, sizeof(struct mu_metrics));
}

void mu_metrics_destroy(struct mu_metrics **metrics) {
    struct mu_metrics *self = *metrics;
    *metrics = NULL;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        free(self->sorted[i]->name);
        free(self->sorted[i]->label);
        free(self->sorted[i]->help);
        free(self->sorted[i]->histogram);
        free(self->sorted[i]);
    }
    free(self->sorted);
    free(self);
}

/* A copy that a metric may be named. */
static char *clean_name(const char *name) {
    char *copy = mu_strdup(name);
    for (char *at = copy; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        bool digit = *at >= '0' && *at <= '9' && at != copy;
        *at = letter || digit ? *at : '_';
    }
    return copy;
}

/* A help text is one line. */
static char *clean_help(const char *help) {
    char *copy = mu_strdup(help);
    for (char *at = copy; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' || *at == '\\' ? ' ' : *at;
    }
    return copy;
}

static int compare(const struct muster_metric *metric, const char *name, const char *label) {
    int order = strcmp(metric->name, name);
    return order != 0 ? order : strcmp(metric->label, label);
}

struct muster_metric *mu_metrics_get(struct mu_metrics *self, enum muster_metric_kind kind,
                                     const char *name, const char *label, const char *help) {
    char *clean = clean_name(name);
    size_t low = 0;
    size_t high = self->count;
    label = label != NULL ? label : "";
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(self->sorted[middle], clean, label);
        if (order == 0) {
            free(clean);
            return self->sorted[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    if (self->count == MU_METRICS_MAX) {
        free(clean);
        return NULL;
    }
    struct muster_metric *metric = mu_calloc(1, sizeof *metric);
    metric->kind = kind;
    metric->name = clean;
    metric->label = mu_strdup(label);
    metric->help = clean_help(help != NULL ? help : "");
    self->sorted = mu_realloc(self->sorted, (self->count + 1) * sizeof(struct muster_metric *));
    memmove(&self->sorted[low + 1], &self->sorted[low],
            (self->count - low) * sizeof(struct muster_metric *));
    self->sorted[low] = metric;
    self->count++;
    return metric;
}

struct muster_metric *mu_metrics_seconds(struct mu_metrics *self, enum muster_metric_kind kind,
                                         const char *name, const char *label, const char *help) {
    struct muster_metric *metric = mu_metrics_get(self, kind, name, label, help);
    if (metric != NULL) {
        metric->in_seconds = true;
    }
    return metric;
}

void mu_metrics_histogram(struct mu_metrics *self, enum mu_histogram_kind kind, const char *name,
                          const char *label, const char *help,
                          const struct mu_histogram *histogram) {
    struct muster_metric *metric = mu_metrics_get(self, MUSTER_COUNTER, name, label, help);
    if (metric == NULL) {
        return;
    }
    if (metric->histogram == NULL) {
        metric->histogram = mu_calloc(1, sizeof *metric->histogram);
    }
    metric->histogram_kind = kind;
    *metric->histogram = *histogram;
}

void mu_metric_add(struct muster_metric *metric, int64_t amount) {
    if (metric != NULL && (amount > 0 || metric->kind == MUSTER_GAUGE)) {
        atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
    }
}

void mu_metric_set(struct muster_metric *metric, int64_t value) {
    if (metric != NULL) {
        atomic_store_explicit(&metric->value, value, memory_order_relaxed);
    }
}

int64_t mu_metric_value(const struct muster_metric *metric) {
    return metric != NULL ? atomic_load_explicit(&metric->value, memory_order_relaxed) : 0;
}

void mu_metrics_source(struct mu_metrics *self, void (*collect)(void *context), void *context) {
    assert(self->source_count < SOURCES_MAX);
    self->sources[self->source_count++] = (struct source){collect, context};
}

/* ---- the text ---- */

#define NUMBER_SIZE 48

/* A number as Prometheus reads it: whole, or microseconds as seconds without needless zeros. */
static const char *number(char out[NUMBER_SIZE], bool in_seconds, int64_t value) {
    if (!in_seconds || value % 1000000 == 0) {
        snprintf(out, NUMBER_SIZE, "%" PRId64, in_seconds ? value / 1000000 : value);
        return out;
    }
    uint64_t amount = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    snprintf(out, NUMBER_SIZE, "%s%" PRIu64 ".%06" PRIu64, value < 0 ? "-" : "", amount / 1000000,
             amount % 1000000);
    for (char *end = out + strlen(out) - 1; *end == '0'; end--) {
        *end = '\0';
    }
    return out;
}

static bool print_bucket(const struct muster_metric *metric, const char *bound, uint64_t below,
                         struct mu_buffer *out) {
    return mu_buffer_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", metric->name,
                            metric->label, metric->label[0] != '\0' ? "," : "", bound, below);
}

/* Buckets are told together with all below them. */
static bool print_histogram(const struct muster_metric *metric, struct mu_buffer *out) {
    const struct mu_histogram *histogram = metric->histogram;
    bool in_seconds = metric->histogram_kind == MU_HISTOGRAM_TIME;
    const char *open = metric->label[0] != '\0' ? "{" : "";
    const char *close = metric->label[0] != '\0' ? "}" : "";
    char text[NUMBER_SIZE];
    size_t count = 0;
    uint64_t below = 0;
    const uint64_t *bounds = mu_histogram_bounds(metric->histogram_kind, &count);
    for (size_t i = 0; i < count; i++) {
        below += histogram->buckets[i];
        if (!print_bucket(metric, number(text, in_seconds, (int64_t)bounds[i]), below, out)) {
            return false;
        }
    }
    below += histogram->buckets[MU_HISTOGRAM_BOUNDS];
    return print_bucket(metric, "+Inf", below, out) &&
           mu_buffer_printf(out, "%s_sum%s%s%s %s\n%s_count%s%s%s %" PRIu64 "\n", metric->name,
                            open, metric->label, close,
                            number(text, in_seconds, (int64_t)histogram->sum), metric->name, open,
                            metric->label, close, below);
}

static const char *type_of(const struct muster_metric *metric) {
    if (metric->histogram != NULL) {
        return "histogram";
    }
    return metric->kind == MUSTER_COUNTER ? "counter" : "gauge";
}

static bool print(const struct muster_metric *metric, bool first, struct mu_buffer *out) {
    bool labelled = metric->label[0] != '\0';
    char text[NUMBER_SIZE];
    if (first && !mu_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                                   metric->name, type_of(metric))) {
        return false;
    }
    if (metric->histogram != NULL) {
        return print_histogram(metric, out);
    }
    return mu_buffer_printf(out, "%s%s%s%s %s\n", metric->name, labelled ? "{" : "", metric->label,
                            labelled ? "}" : "",
                            number(text, metric->in_seconds, mu_metric_value(metric)));
}

bool mu_metrics_print(struct mu_metrics *self, struct mu_buffer *out) {
    for (size_t i = 0; i < self->source_count; i++) {
        self->sources[i].collect(self->sources[i].context);
    }
    for (size_t i = 0; i < self->count; i++) {
        bool first = i == 0 || strcmp(self->sorted[i - 1]->name, self->sorted[i]->name) != 0;
        if (!print(self->sorted[i], first, out)) {
            return false;
        }
    }
    return true;
}
