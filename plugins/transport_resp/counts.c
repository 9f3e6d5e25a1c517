#include "counts.h"

static const struct {
    enum muster_metric_kind kind;
    const char *name, *help;
} rows[RESP_COUNTS] = {
#define ROW(name, kind, metric, help) {MUSTER_##kind, metric, help},
    RESP_COUNT_TABLE(ROW)
#undef ROW
};

void resp_counts_init(struct resp_counts *counts, struct muster_plugin *plugin,
                      const struct muster_host *host) {
    *counts = (struct resp_counts){.host = host};
    for (size_t i = 0; i < RESP_COUNTS; i++) {
        counts->metrics[i] = host->metric(plugin, rows[i].kind, rows[i].name, rows[i].help);
    }
}

void resp_count_add(struct resp_counts *counts, enum resp_count what, int64_t amount) {
    counts->values[what] += amount;
    counts->host->metric_add(counts->metrics[what], amount);
}

const char *resp_count_name(enum resp_count what) {
    return rows[what].name;
}
