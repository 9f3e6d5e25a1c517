#include "metrics/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SOURCES_MAX 16

struct muster_metric {
    char *name;
    char *label; /* "" when there is none */
    char *help;
    enum muster_metric_kind kind;
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

static bool print(const struct muster_metric *metric, bool first, struct mu_buffer *out) {
    bool labelled = metric->label[0] != '\0';
    if (first &&
        !mu_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                          metric->name, metric->kind == MUSTER_COUNTER ? "counter" : "gauge")) {
        return false;
    }
    return mu_buffer_printf(out, "%s%s%s%s %" PRId64 "\n", metric->name, labelled ? "{" : "",
                            metric->label, labelled ? "}" : "", mu_metric_value(metric));
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
