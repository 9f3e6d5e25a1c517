#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "process.h"

#ifdef __OPTIMIZE__
#define OPTIMISED true
#else
#define OPTIMISED false
#endif

struct mb_report {
    json_t *machine;
    json_t *rows;
};

struct mb_report *mb_report_create(void) {
    struct mb_report *report = mu_calloc(1, sizeof *report);
    report->machine = json_object();
    report->rows = json_array();
    return report;
}

void mb_report_destroy(struct mb_report **pointer) {
    struct mb_report *report = *pointer;
    if (report == NULL)
        return;
    *pointer = NULL;
    json_decref(report->machine);
    json_decref(report->rows);
    free(report);
}

/* Four significant digits: more would be noise. */
static double rounded(double value) {
    if (value == 0 || !isfinite(value))
        return 0;
    double scale = pow(10, 3 - floor(log10(fabs(value))));
    return round(value * scale) / scale;
}

/* Whole numbers print without a point. */
static json_t *number(double value) {
    double near = rounded(value);
    if (near == floor(near) && fabs(near) < 1e15)
        return json_integer((json_int_t)near);
    return json_real(near);
}

static void set_series(json_t *object, const char *prefix, const struct mb_series *series) {
    char key[64];
    snprintf(key, sizeof key, "%s_min", prefix);
    json_object_set_new(object, key, number(mb_series_min(series)));
    snprintf(key, sizeof key, "%s_max", prefix);
    json_object_set_new(object, key, number(mb_series_max(series)));
}

/* Sets target and met. */
static void judge(json_t *object, const struct mb_row *row, const struct mb_series *ratio) {
    char target[128];
    double judged = 0;
    switch (row->limit) {
    case MB_LIMIT_NONE:
        json_object_set_new(object, "target", json_null());
        json_object_set_new(object, "met", json_null());
        return;
    case MB_LIMIT_MEDIAN:
        snprintf(target, sizeof target, "<= %g %s", row->bound, row->unit);
        judged = mb_series_median(&row->measured);
        break;
    case MB_LIMIT_EVERY:
        snprintf(target, sizeof target, "every run <= %g %s", row->bound, row->unit);
        judged = mb_series_max(&row->measured);
        break;
    case MB_LIMIT_RATIO:
        snprintf(target, sizeof target, "<= %.3g x %s", row->bound, row->against);
        judged = mb_series_median(ratio);
        break;
    }
    json_object_set_new(object, "target", json_string(target));
    json_object_set_new(object, "met", json_boolean(judged <= row->bound));
}

void mb_report_add(struct mb_report *report, const struct mb_row *row) {
    struct mb_series ratio = mb_series_ratio(&row->measured, &row->baseline);
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(row->name));
    json_object_set_new(object, "what", json_string(row->what));
    json_object_set_new(object, "measured", number(mb_series_median(&row->measured)));
    set_series(object, "measured", &row->measured);
    json_object_set_new(object, "unit", json_string(row->unit));
    json_object_set_new(object, "runs", json_integer((json_int_t)row->measured.count));
    if (row->against != NULL) {
        json_object_set_new(object, "against", json_string(row->against));
        json_object_set_new(object, "baseline", number(mb_series_median(&row->baseline)));
        set_series(object, "baseline", &row->baseline);
        json_object_set_new(object, "ratio", number(mb_series_median(&ratio)));
        set_series(object, "ratio", &ratio);
    } else {
        json_object_set_new(object, "against", json_null());
        json_object_set_new(object, "baseline", json_null());
        json_object_set_new(object, "ratio", json_null());
    }
    judge(object, row, &ratio);
    if (row->detail != NULL)
        json_object_set_new(object, "detail", row->detail);
    json_array_append_new(report->rows, object);
}

static char *processor(void) {
    static const char name[] = "model name";
    char line[512];
    char *found = NULL;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && found == NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        if (strncmp(line, name, sizeof name - 1) != 0 || value == NULL)
            continue;
        value += strspn(value, ": ");
        value[strcspn(value, "\n")] = '\0';
        found = mu_strdup(value);
    }
    if (file != NULL)
        fclose(file);
    return found != NULL ? found : mu_strdup("unknown");
}

void mb_report_machine(struct mb_report *report, const char *redis_version, bool quick) {
    struct utsname system;
    if (uname(&system) != 0)
        memset(&system, 0, sizeof system);
    char *name = processor();
    double load = 0;
    if (getloadavg(&load, 1) != 1)
        load = 0;
    json_t *machine = report->machine;
    json_object_set_new(machine, "processor", json_string(name));
    json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(machine, "architecture", json_string(system.machine));
    /* The number alone: what follows names the build of whoever packed it. */
    json_object_set_new(machine, "kernel",
                        json_stringn(system.release, strspn(system.release, "0123456789.")));
    json_object_set_new(machine, "redis", json_string(redis_version));
    json_object_set_new(machine, "muster", json_string(MUSTER_VERSION));
    json_object_set_new(machine, "compiler", json_string(__VERSION__));
    json_object_set_new(machine, "optimised", json_boolean(OPTIMISED));
    json_object_set_new(machine, "pinned", json_boolean(mb_pinnable()));
    json_object_set_new(machine, "quick", json_boolean(quick));
    /* Of the minute before we began: above some 0.2 the figures are worth little. */
    if (json_object_get(machine, "load") == NULL)
        json_object_set_new(machine, "load", number(load));
    free(name);
}

void mb_report_print_json(const struct mb_report *report, FILE *output) {
    json_t *whole = json_pack("{s:O, s:O}", "machine", report->machine, "scenarios", report->rows);
    if (whole == NULL || json_dumpf(whole, output, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0)
        mb_fail("cannot write the report");
    fputc('\n', output);
    json_decref(whole);
}

static double value_of(const json_t *row, const char *key) {
    return json_number_value(json_object_get(row, key));
}

static const char *text_of(const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    return text != NULL ? text : "";
}

void mb_report_print_table(const struct mb_report *report, FILE *output) {
    size_t index = 0;
    json_t *row = NULL;
    const char *last = "";
    if (json_is_true(json_object_get(report->machine, "quick")))
        fprintf(output, "QUICK: scaled-down runs, which show that it works\n\n");
    json_array_foreach(report->rows, index, row) {
        const char *name = text_of(row, "name");
        if (strcmp(name, last) != 0) {
            fprintf(output, "%s%s\n", index > 0 ? "\n" : "", name);
            last = name;
        }
        fprintf(output, "  %s\n    %.6g %s  (%.6g to %.6g, %.0f run%s)\n", text_of(row, "what"),
                value_of(row, "measured"), text_of(row, "unit"), value_of(row, "measured_min"),
                value_of(row, "measured_max"), value_of(row, "runs"),
                value_of(row, "runs") == 1 ? "" : "s");
        if (json_is_number(json_object_get(row, "ratio")))
            fprintf(output, "    %.4g x of %.6g %s of %s  (%.4g to %.4g)\n", value_of(row, "ratio"),
                    value_of(row, "baseline"), text_of(row, "unit"), text_of(row, "against"),
                    value_of(row, "ratio_min"), value_of(row, "ratio_max"));
        const char *command =
            json_string_value(json_object_get(json_object_get(row, "detail"), "command"));
        if (command != NULL)
            fprintf(output, "    which was %s\n", command);
        const json_t *met = json_object_get(row, "met");
        if (json_is_boolean(met))
            fprintf(output, "    target %s: %s\n", text_of(row, "target"),
                    json_is_true(met) ? "met" : "MISSED");
    }
}
