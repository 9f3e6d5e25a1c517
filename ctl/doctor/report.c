/* report.c - findings first, then what could not be checked, then what is fine, and the sum. */
#include <stdio.h>
#include <string.h>

#include "doctor/doctor.h"
#include "json_out.h"
#include "table.h"

static const char *const severities[] = {[MU_WARNING] = "warning", [MU_PROBLEM] = "problem"};

struct sum {
    size_t made, not_made, not_needed;
    size_t found[2]; /* by severity */
};

static struct sum count(const struct mu_doctor *doctor) {
    struct sum sum = {0};
    for (size_t i = 0; i < doctor->check_count; i++) {
        sum.made += doctor->checks[i].outcome == MU_CHECK_MADE;
        sum.not_made += doctor->checks[i].outcome == MU_CHECK_NOT_MADE;
        sum.not_needed += doctor->checks[i].outcome == MU_CHECK_NOT_NEEDED;
    }
    for (size_t i = 0; i < doctor->finding_count; i++) {
        sum.found[doctor->findings[i].fault->severity]++;
    }
    return sum;
}

static void print_json(const struct mu_doctor *doctor) {
    struct sum sum = count(doctor);
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "namespace", doctor->ctl->name_space);
    mu_json_string(&out, "redis", doctor->ctl->where);
    mu_json_string(&out, "config", doctor->config_path);
    mu_json_open(&out, "findings", '[');
    for (size_t i = 0; i < doctor->finding_count; i++) {
        const struct mu_doctor_finding *finding = &doctor->findings[i];
        mu_json_open(&out, NULL, '{');
        mu_json_string(&out, "severity", severities[finding->fault->severity]);
        mu_json_string(&out, "check", finding->fault->check);
        mu_json_string(&out, "code", finding->fault->code);
        mu_json_string(&out, "what", finding->what);
        mu_json_string(&out, "consequence", finding->consequence);
        mu_json_string(&out, "mend", finding->mend);
        mu_json_close(&out, '}');
    }
    mu_json_close(&out, ']');
    mu_json_open(&out, "checks", '[');
    for (size_t i = 0; i < doctor->check_count; i++) {
        static const char *const outcomes[] = {[MU_CHECK_MADE] = "made",
                                               [MU_CHECK_NOT_MADE] = "not made",
                                               [MU_CHECK_NOT_NEEDED] = "not needed"};
        const struct mu_doctor_check *check = &doctor->checks[i];
        mu_json_open(&out, NULL, '{');
        mu_json_string(&out, "check", check->name);
        mu_json_string(&out, "outcome", outcomes[check->outcome]);
        mu_json_string(&out, "saw", check->said);
        mu_json_number(&out, "findings", (int64_t)check->faults);
        mu_json_close(&out, '}');
    }
    mu_json_close(&out, ']');
    mu_json_number(&out, "problems", (int64_t)sum.found[MU_PROBLEM]);
    mu_json_number(&out, "warnings", (int64_t)sum.found[MU_WARNING]);
    mu_json_number(&out, "made", (int64_t)sum.made);
    mu_json_number(&out, "not_made", (int64_t)sum.not_made);
    mu_json_number(&out, "not_needed", (int64_t)sum.not_needed);
    mu_json_bool(&out, "fine", sum.made > 0 && sum.not_made == 0 && doctor->finding_count == 0);
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_deinit(&out);
}

/* What others wrote (names of instances, answers of Redis) is made harmless. */
static void print_line(const char *label, const char *name, const char *text) {
    struct mu_buffer line;
    mu_buffer_init(&line, 0);
    mu_append_safe(&line, text, strlen(text));
    printf("%-8s %-15s %s\n", label, name, line.length > 0 ? line.data : "");
    mu_buffer_deinit(&line);
}

static void print_findings(const struct mu_doctor *doctor, enum mu_severity severity) {
    for (size_t i = 0; i < doctor->finding_count; i++) {
        const struct mu_doctor_finding *finding = &doctor->findings[i];
        if (finding->fault->severity == severity) {
            print_line(severities[severity], finding->fault->check, finding->what);
            print_line("", finding->fault->code, finding->consequence);
            print_line("", "to mend it", finding->mend);
        }
    }
}

static void print_checks(const struct mu_doctor *doctor, enum mu_outcome outcome,
                         const char *label) {
    for (size_t i = 0; i < doctor->check_count; i++) {
        const struct mu_doctor_check *check = &doctor->checks[i];
        bool told = check->faults > 0 && outcome == MU_CHECK_MADE; /* by its findings */
        if (check->outcome == outcome && !told) {
            print_line(label, check->name, check->said != NULL ? check->said : "");
        }
    }
}

static void print_text(const struct mu_doctor *doctor) {
    struct sum sum = count(doctor);
    print_findings(doctor, MU_PROBLEM);
    print_findings(doctor, MU_WARNING);
    print_checks(doctor, MU_CHECK_NOT_MADE, "not made");
    print_checks(doctor, MU_CHECK_MADE, "fine");
    print_checks(doctor, MU_CHECK_NOT_NEEDED, "-");
    printf("%zu checks made, %zu could not be made, %zu do not apply here\n", sum.made,
           sum.not_made, sum.not_needed);
    if (doctor->finding_count > 0) {
        printf("%zu problems, %zu warnings\n", sum.found[MU_PROBLEM], sum.found[MU_WARNING]);
    } else if (sum.made == 0) {
        puts("nothing was checked");
    } else {
        puts(sum.not_made > 0 ? "fine, as far as could be seen" : "fine");
    }
}

void mu_doctor_report(const struct mu_doctor *doctor) {
    if (doctor->ctl->options->json) {
        print_json(doctor);
    } else {
        print_text(doctor);
    }
}
