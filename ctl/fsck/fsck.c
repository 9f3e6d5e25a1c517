/* fsck.c - the command: passes until one finds nothing that could be mended. */
#include "fsck/fsck.h"

#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "registry/call.h"
#include "table.h"

#define LIMIT 1000  /* findings listed of one invariant */
#define BUDGET "32" /* memberships of one look: less than a millisecond of Redis's time */
#define AGAIN_MS 200
#define PATIENCE_MS 15000
#define SUSPECTS_MAX 10000
#define PASSES_MAX 8 /* a repair may show what it hid: a few passes settle that */

char *mu_fsck_key(const struct mu_fsck *fsck, char out[MU_KEY_BYTES], const char *format, ...) {
    va_list arguments;
    int head = snprintf(out, MU_KEY_BYTES, "{%s}:", fsck->ctl->name_space);
    va_start(arguments, format);
    vsnprintf(out + head, MU_KEY_BYTES - (size_t)head, format, arguments);
    va_end(arguments);
    return out;
}

/* ---- findings ------------------------------------------------------------------------------ */

static void keep(struct mu_fsck *fsck, const struct mu_finding *finding) {
    int invariant = finding->info->invariant;
    fsck->found[invariant]++;
    fsck->mended += finding->mended == MU_MEND_DONE;
    fsck->standing += finding->mended != MU_MEND_DONE;
    if (fsck->limit != 0 && fsck->found[invariant] > fsck->limit) {
        free(finding->key);
        free(finding->what);
        free(finding->note);
        return; /* counted, not listed */
    }
    fsck->findings = mu_realloc(fsck->findings, (fsck->finding_count + 1) * sizeof *fsck->findings);
    fsck->findings[fsck->finding_count++] = *finding;
}

static void repair(struct mu_fsck *fsck, const char *kind, const char *name,
                   struct mu_finding *finding) {
    struct mu_answer answer;
    redisReply *reply = mu_ask(fsck->ctl, "FCALL muster_repair 1 {%s} - %s %s %s",
                               fsck->ctl->name_space, finding->info->code, kind, name);
    if (reply == NULL) {
        return;
    }
    mu_answer_read(reply, &answer);
    if (answer.status == MUSTER_OK) {
        json_t *object = json_loadb(answer.json, answer.length, 0, NULL);
        const char *was = json_string_value(json_object_get(object, "was"));
        finding->mended = MU_MEND_DONE; /* or not so any more, which is as good */
        finding->note = was != NULL ? mu_strdup(was) : NULL;
        json_decref(object);
    } else {
        finding->mended = MU_MEND_FAILED;
        finding->note = mu_strdup(answer.message);
    }
    freeReplyObject(reply);
}

void mu_fsck_found(struct mu_fsck *fsck, const struct mu_looks_finding *seen) {
    char key[MU_KEY_BYTES];
    struct mu_finding finding = {
        .info = seen->info,
        .key = mu_strdup(mu_fsck_key(fsck, key, "%s", seen->key)),
        .what = mu_strdup(seen->what),
    };
    if (fsck->ctl->options->repair && seen->info->mends) {
        repair(fsck, seen->kind, seen->name, &finding);
    }
    keep(fsck, &finding);
}

void mu_fsck_add(struct mu_fsck *fsck, const char *code, const char *key, const char *format, ...) {
    struct mu_finding finding = {.info = mu_finding_info(code), .key = mu_strdup(key)};
    va_list arguments;
    va_start(arguments, format);
    mu_must(vasprintf(&finding.what, format, arguments) >= 0);
    va_end(arguments);
    keep(fsck, &finding);
}

static void on_finding(void *context, const struct mu_looks_finding *finding) {
    mu_fsck_found(context, finding);
}

/* ---- a pass -------------------------------------------------------------------------------- */

/* One question and its answer. False: fsck cannot go on. */
static bool look(struct mu_fsck *fsck, const struct mu_looks_question *question) {
    struct mu_ctl *ctl = fsck->ctl;
    struct mu_answer answer;
    if (strcmp(question->kind, MU_LOOKS_RECOUNT) == 0) {
        if (strcmp(question->name, ":held") == 0) {
            mu_fsck_recount_held(fsck);
        } else {
            mu_fsck_recount(fsck, question->name);
        }
        mu_looks_leave(fsck->looks);
        return !ctl->lost;
    }
    redisReply *reply = mu_ask(ctl, "FCALL muster_look 1 {%s} - %s %s %s " BUDGET, ctl->name_space,
                               question->kind, question->name, question->cursor);
    if (reply == NULL) {
        return false;
    }
    mu_answer_read(reply, &answer);
    if (answer.status == MUSTER_OK) {
        mu_looks_take(fsck->looks, mu_clock_boottime_ms(), answer.json, answer.length);
    } else if (strstr(answer.message, "Function not found") != NULL) {
        fprintf(stderr,
                "musterctl: Redis at %s has no functions library that can look at its data; a "
                "musterd of this version loads it\n",
                ctl->where);
        ctl->lost = true;
    } else {
        fprintf(stderr, "musterctl: %s %s could not be looked at: %s\n", question->kind,
                question->name, answer.message);
        mu_looks_skip(fsck->looks);
    }
    freeReplyObject(reply);
    return !ctl->lost;
}

static void pass(struct mu_fsck *fsck) {
    struct mu_looks_question question;
    enum mu_looks_step step = MU_LOOKS_WAIT;
    uint64_t wait_until = 0;
    fsck->standing = 0;
    fsck->unsettled = 0;
    fsck->passes++;
    mu_looks_begin(fsck->looks);
    while (!fsck->ctl->lost && step != MU_LOOKS_DONE) {
        uint64_t now = mu_clock_boottime_ms();
        step = mu_looks_next(fsck->looks, now, &question, &wait_until);
        if (step == MU_LOOKS_ASK) {
            look(fsck, &question);
        } else if (step == MU_LOOKS_WAIT && wait_until > now) {
            poll(NULL, 0, (int)(wait_until - now));
        }
    }
    for (int i = 1; i <= MU_INVARIANTS; i++) {
        fsck->checked[i] = mu_looks_checked(fsck->looks, i);
    }
    fsck->skipped = mu_looks_skipped(fsck->looks);
}

static void headline(struct mu_fsck *fsck) {
    static const char *const lists[] = {"sessions", "instances", "ghosts"};
    const char *ns = fsck->ctl->name_space;
    redisReply *generation = mu_ask(fsck->ctl, "HGET {%s}:config generation", ns);
    const char *text = mu_reply_text(generation);
    snprintf(fsck->generation, sizeof fsck->generation, "%s",
             mu_id_valid(text, strlen(text)) ? text : "none");
    freeReplyObject(generation);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        redisReply *size = mu_ask(fsck->ctl, "ZCARD {%s}:%s", ns, lists[i]);
        fsck->sizes[i] = mu_reply_number(size, 0);
        freeReplyObject(size);
    }
}

static void deinit(struct mu_fsck *fsck) {
    mu_looks_destroy(&fsck->looks);
    for (size_t i = 0; i < fsck->finding_count; i++) {
        free(fsck->findings[i].key);
        free(fsck->findings[i].what);
        free(fsck->findings[i].note);
    }
    free(fsck->findings);
}

enum mu_ctl_exit mu_ctl_fsck(struct mu_ctl *ctl) {
    struct mu_fsck fsck;
    const struct mu_ctl_options *options = ctl->options;
    uint64_t mended = 0;
    memset(&fsck, 0, sizeof fsck);
    fsck.ctl = ctl;
    fsck.limit = options->limit == UINT64_MAX ? LIMIT : options->limit;
    fsck.looks = mu_looks_create(&(struct mu_looks_options){
        .again_ms = AGAIN_MS,
        .patience_ms = options->patience_ms == UINT64_MAX ? PATIENCE_MS : options->patience_ms,
        .suspects_max = SUSPECTS_MAX,
        .context = &fsck,
        .on_finding = on_finding,
    });
    headline(&fsck);
    do {
        mended = fsck.mended;
        pass(&fsck);
    } while (!ctl->lost && fsck.mended > mended && fsck.passes < PASSES_MAX);
    if (!ctl->lost && options->listen_ms > 0) {
        mu_fsck_stream(&fsck, options->listen_ms);
    }
    enum mu_ctl_exit status = MU_CTL_UNREACHABLE;
    if (!ctl->lost) {
        mu_fsck_report(&fsck);
        status =
            fsck.standing > 0 || fsck.skipped > 0 || fsck.mended > mended ? MU_CTL_NO : MU_CTL_FINE;
    }
    deinit(&fsck);
    return status;
}
