/* report.c - how many of each invariant were checked, and what was found. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fsck/fsck.h"
#include "json_out.h"
#include "table.h"

static const char *const titles[MU_INVARIANTS + 1] = {
    "",
    "sessions have one leader, who is eligible",
    "sessions exist while they have members, and are listed",
    "memberships: members and records agree",
    "keys: known, of their type, and of somebody listed",
    "sessions: counts, users and candidates as recounted",
    "leads are the sessions that are led",
    "sessions: seq, term and generation; events in order",
    "incarnations: nothing is left of the dead",
    "the lease and its epoch",
};

static uint64_t total(const struct mu_fsck *fsck) {
    uint64_t sum = 0;
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        sum += fsck->found[i];
    }
    return sum;
}

static void print_json(const struct mu_fsck *fsck) {
    struct mu_buffer out;
    uint64_t sum = total(fsck);
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "namespace", fsck->ctl->name_space);
    mu_json_open(&out, "checked", '{');
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        mu_json_number(&out, name, (int64_t)fsck->checked[i]);
    }
    mu_json_close(&out, '}');
    mu_json_open(&out, "findings", '[');
    for (size_t i = 0; i < fsck->finding_count; i++) {
        const struct mu_finding *finding = &fsck->findings[i];
        mu_json_open(&out, NULL, '{');
        mu_json_number(&out, "invariant", mu_code_infos[finding->code].invariant);
        mu_json_string(&out, "key", finding->key);
        mu_json_string(&out, "what", finding->what);
        mu_json_string(&out, "mend", mu_code_infos[finding->code].mend);
        mu_json_close(&out, '}');
    }
    mu_json_close(&out, ']');
    mu_json_number(&out, "found", (int64_t)sum);
    mu_json_bool(&out, "ok", sum == 0);
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_deinit(&out);
}

static void print_text(const struct mu_fsck *fsck) {
    uint64_t sum = total(fsck);
    struct mu_columns *columns = mu_columns_create(">NO|>CHECKED|>FOUND|INVARIANT");
    printf("namespace %s, generation %s: %" PRIu64 " connections, %" PRIu64 " memberships, %" PRIu32
           " ghosts\n",
           fsck->ctl->name_space, fsck->generation != NULL ? fsck->generation : "none",
           fsck->connections, fsck->members, fsck->ghosts);
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        mu_columns_cell(columns, "%d", i);
        mu_columns_cell(columns, "%" PRIu64, fsck->checked[i]);
        mu_columns_cell(columns, "%" PRIu64, fsck->found[i]);
        mu_columns_cell(columns, "%s", titles[i]);
    }
    mu_columns_print(columns, stdout);
    mu_columns_destroy(&columns);

    struct mu_buffer line;
    mu_buffer_init(&line, 0);
    for (size_t i = 0; i < fsck->finding_count; i++) {
        const struct mu_finding *finding = &fsck->findings[i];
        mu_buffer_clear(&line);
        mu_append_safe(&line, finding->key, strlen(finding->key));
        mu_must(mu_buffer_append(&line, " ", 1));
        mu_append_safe(&line, finding->what, strlen(finding->what));
        printf("[%d] %s; to mend: %s\n", mu_code_infos[finding->code].invariant, line.data,
               mu_code_infos[finding->code].mend);
    }
    mu_buffer_deinit(&line);
    if (sum > fsck->finding_count) {
        printf("%" PRIu64 " more were found; --limit 0 lists them all\n",
               sum - fsck->finding_count);
    }
    if (sum == 0) {
        puts("clean");
    } else {
        printf("%" PRIu64 " %s\n", sum, sum == 1 ? "finding" : "findings");
    }
}

static int by_invariant(const void *a, const void *b) {
    const struct mu_finding *left = a;
    const struct mu_finding *right = b;
    int order = mu_code_infos[left->code].invariant - mu_code_infos[right->code].invariant;
    return order != 0 ? order : strcmp(left->key, right->key);
}

void mu_fsck_report(const struct mu_fsck *fsck) {
    if (fsck->finding_count > 0) {
        qsort(fsck->findings, fsck->finding_count, sizeof *fsck->findings, by_invariant);
    }
    if (fsck->ctl->options->json) {
        print_json(fsck);
    } else {
        print_text(fsck);
    }
}
