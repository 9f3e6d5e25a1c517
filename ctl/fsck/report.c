/* report.c - how many of each invariant were checked, and what was found. */
#include <inttypes.h>
#include <stdio.h>
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

static bool fine(const struct mu_fsck *fsck) {
    return fsck->standing == 0 && fsck->skipped == 0;
}

static void print_finding_json(struct mu_buffer *out, const struct mu_finding *finding) {
    mu_json_open(out, NULL, '{');
    mu_json_number(out, "invariant", finding->info->invariant);
    mu_json_string(out, "code", finding->info->code);
    mu_json_string(out, "key", finding->key);
    mu_json_string(out, "what", finding->what);
    mu_json_bool(out, "repair", finding->info->mends);
    mu_json_string(out, "how", finding->info->how);
    mu_json_bool(out, "mended", finding->mended == MU_MEND_DONE);
    if (finding->note != NULL) {
        mu_json_string(out, finding->mended == MU_MEND_DONE ? "was" : "why", finding->note);
    }
    mu_json_close(out, '}');
}

static void print_json(const struct mu_fsck *fsck) {
    struct mu_buffer out;
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
        print_finding_json(&out, &fsck->findings[i]);
    }
    mu_json_close(&out, ']');
    mu_json_number(&out, "found", (int64_t)total(fsck));
    mu_json_number(&out, "mended", (int64_t)fsck->mended);
    mu_json_number(&out, "skipped", (int64_t)fsck->skipped);
    mu_json_number(&out, "unsettled", (int64_t)fsck->unsettled);
    mu_json_bool(&out, "ok", fine(fsck));
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_deinit(&out);
}

/* "[5] COUNT_WRONG {t}:session:room-1 #count is …; --repair: it is set to the recount" */
static void print_finding(const struct mu_finding *finding) {
    struct mu_buffer line;
    const char *outcome = finding->mended == MU_MEND_DONE     ? "mended"
                          : finding->mended == MU_MEND_FAILED ? "not mended"
                          : finding->info->mends              ? "--repair"
                                                              : "to mend by hand";
    const char *more = finding->mended == MU_MEND_FAILED ? finding->note : finding->info->how;
    mu_buffer_init(&line, 0);
    mu_append_safe(&line, finding->key, strlen(finding->key));
    mu_must(mu_buffer_append(&line, " ", 1));
    mu_append_safe(&line, finding->what, strlen(finding->what));
    mu_must(mu_buffer_append(&line, "; ", 2));
    mu_append_safe(&line, outcome, strlen(outcome));
    mu_must(mu_buffer_append(&line, ": ", 2));
    mu_append_safe(&line, more, strlen(more));
    if (finding->mended == MU_MEND_DONE && finding->note != NULL) {
        mu_must(mu_buffer_append(&line, "; it was ", 9));
        mu_append_safe(&line, finding->note, strlen(finding->note));
    }
    printf("[%d] %s %s\n", finding->info->invariant, finding->info->code, line.data);
    mu_buffer_deinit(&line);
}

static void print_sum(const struct mu_fsck *fsck) {
    uint64_t sum = total(fsck);
    if (sum > fsck->finding_count) {
        printf("%" PRIu64 " more were found; --limit 0 lists them all\n",
               sum - fsck->finding_count);
    }
    if (fsck->skipped > 0) {
        printf("%" PRIu64 " could not be looked at (see above)\n", fsck->skipped);
    }
    if (fsck->unsettled > 0) {
        printf("%" PRIu64 " large sessions or holders of quotas changed under every recount\n",
               fsck->unsettled);
    }
    if (fsck->mended > 0) {
        printf("%" PRIu64 " mended in %u passes\n", fsck->mended, fsck->passes);
    }
    if (fine(fsck)) {
        puts("clean");
    } else {
        printf("%" PRIu64 " %s\n", fsck->standing, fsck->standing == 1 ? "finding" : "findings");
    }
}

static void print_text(const struct mu_fsck *fsck) {
    struct mu_columns *columns = mu_columns_create(">NO|>CHECKED|>FOUND|INVARIANT");
    printf("namespace %s, generation %s: %" PRId64 " sessions, %" PRId64 " instances, %" PRId64
           " ghosts\n",
           fsck->ctl->name_space, fsck->generation, fsck->sizes[0], fsck->sizes[1], fsck->sizes[2]);
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        mu_columns_cell(columns, "%d", i);
        mu_columns_cell(columns, "%" PRIu64, fsck->checked[i]);
        mu_columns_cell(columns, "%" PRIu64, fsck->found[i]);
        mu_columns_cell(columns, "%s", titles[i]);
    }
    mu_columns_print(columns, stdout);
    mu_columns_destroy(&columns);
    for (size_t i = 0; i < fsck->finding_count; i++) {
        print_finding(&fsck->findings[i]);
    }
    print_sum(fsck);
}

static int by_invariant(const void *a, const void *b) {
    const struct mu_finding *left = a;
    const struct mu_finding *right = b;
    int order = left->info->invariant - right->info->invariant;
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
