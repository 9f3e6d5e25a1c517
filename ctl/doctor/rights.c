/* rights.c - what the ACL of Redis lets the daemon and the backends do. Nothing is tried: Redis
 * itself says what it would do (ACL DRYRUN). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/doctor.h"
#include "doctor/users_acl.h" /* made of etc/users.acl at build */
#include "table.h"

#define WORDS_MAX 8

enum verdict { ALLOWED, DENIED, UNKNOWN };

/* UNKNOWN: Redis does not say; `why` may be NULL. */
static enum verdict dry_run(struct mu_doctor *doctor, const char *user, int count,
                            const char *const *words, struct mu_error *why) {
    const char *argv[3 + WORDS_MAX] = {"ACL", "DRYRUN", user};
    enum verdict verdict = UNKNOWN;
    for (int i = 0; i < count; i++) {
        argv[3 + i] = words[i];
    }
    redisReply *reply = redisCommandArgv(doctor->ctl->redis, 3 + count, argv, NULL);
    if (reply == NULL) {
        doctor->ctl->lost = true;
    } else if (reply->type == REDIS_REPLY_ERROR) {
        mu_error_set(why, MUSTER_DENIED, "%s", reply->str);
    } else {
        verdict = strcmp(mu_reply_text(reply), "OK") == 0 ? ALLOWED : DENIED;
    }
    freeReplyObject(reply);
    return verdict;
}

/* A command of the list, "get" or "config|get", with as many arguments as it wants: Redis checks
 * their number first. Each is a key of the namespace, which is also a channel of it. */
static enum verdict may(struct mu_doctor *doctor, const char *command, struct mu_error *why) {
    char name[64];
    char key[160];
    char main_key[160];
    const char *words[WORDS_MAX] = {name};
    int first = 1;
    enum verdict verdict = UNKNOWN;
    snprintf(name, sizeof name, "%s", command);
    snprintf(key, sizeof key, "{%s}:doctor", doctor->ctl->name_space);
    snprintf(main_key, sizeof main_key, "{%s}", doctor->ctl->name_space);
    char *bar = strchr(name, '|');
    if (bar != NULL) {
        *bar = '\0';
        words[first++] = bar + 1;
    }
    if (strcmp(name, "fcall") == 0) {
        return dry_run(doctor, doctor->user, 4,
                       (const char *[]){"fcall", "muster_version", "1", main_key}, why);
    }
    for (int count = first; count <= WORDS_MAX && verdict == UNKNOWN; count++) {
        why->text[0] = '\0';
        verdict = dry_run(doctor, doctor->user, count, words, why);
        if (verdict == UNKNOWN && strstr(why->text, "wrong number of arguments") == NULL) {
            break;
        }
        if (count < WORDS_MAX) {
            words[count] = key;
        }
    }
    return verdict;
}

void mu_check_rights(struct mu_doctor *doctor) {
    char list[] = MU_USERS_ACL_DAEMON;
    struct mu_buffer missing;
    size_t asked = 0;
    char *rest = NULL;
    mu_buffer_init(&missing, 0);
    for (char *word = strtok_r(list, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        struct mu_error why = {0};
        if (word[0] != '+') {
            continue;
        }
        enum verdict verdict = may(doctor, word + 1, &why);
        if (verdict == UNKNOWN) {
            mu_doctor_cannot(doctor, "%s: %s; ask as an administrator: --url, with --user %s",
                             word + 1, why.text, doctor->user);
            break;
        }
        asked++;
        if (verdict == DENIED) {
            mu_must(mu_buffer_printf(&missing, " %s", word));
        }
    }
    if (missing.length > 0) {
        struct mu_buffer mend;
        mu_buffer_init(&mend, 0);
        mu_must(mu_buffer_printf(&mend, "%s%s", doctor->user, missing.data));
        mu_doctor_found(doctor, "RIGHT_MISSING", mend.data,
                        "user '%s' may not use, on the keys and channels of the namespace:%s",
                        doctor->user, missing.data);
        mu_buffer_deinit(&mend);
    }
    mu_doctor_saw(doctor, "user '%s' has the %zu rights that a daemon needs", doctor->user, asked);
    mu_buffer_deinit(&missing);
}

/* ---- the pub/sub door ---- */

/* Whoever may call functions writes the data itself: it needs no token. */
static void look_at_user(struct mu_doctor *doctor, const char *user) {
    char request[160];
    char main_key[160];
    struct mu_error why = {0};
    snprintf(request, sizeof request, "{%s}:request", doctor->ctl->name_space);
    snprintf(main_key, sizeof main_key, "{%s}", doctor->ctl->name_space);
    enum verdict reads = dry_run(doctor, user, 2, (const char *[]){"subscribe", request}, &why);
    enum verdict trusted = dry_run(
        doctor, user, 6,
        (const char *[]){"fcall", "muster_start", "1", main_key, "node", "incarnation"}, &why);
    if (reads == UNKNOWN || trusted == UNKNOWN) {
        mu_doctor_cannot(doctor, "%s", why.text);
    } else if (reads == ALLOWED && trusted == DENIED) {
        mu_doctor_found(doctor, "REQUESTS_READABLE", user,
                        "user '%s' may subscribe to %s, and is no trusted backend", user, request);
    }
}

void mu_check_door_rights(struct mu_doctor *doctor) {
    const struct muster_config *given = NULL;
    size_t looked = 0;
    if (doctor->config_path != NULL && !mu_doctor_loads(doctor, "transport_pubsub", &given)) {
        mu_doctor_need_not(doctor, "the configuration loads no pub/sub door");
        return;
    }
    redisReply *users = mu_ask(doctor->ctl, "ACL LIST");
    if (mu_doctor_refused(doctor, users)) {
        freeReplyObject(users);
        return;
    }
    for (size_t i = 0; i < mu_reply_count(users); i++) {
        char line[256]; /* "user <name> on …" */
        char *rest = NULL;
        snprintf(line, sizeof line, "%s", mu_reply_text(users->element[i]));
        strtok_r(line, " ", &rest);
        const char *name = strtok_r(NULL, " ", &rest);
        const char *state = strtok_r(NULL, " ", &rest);
        if (name != NULL && state != NULL && strcmp(state, "on") == 0) {
            look_at_user(doctor, name);
            looked++;
        }
    }
    freeReplyObject(users);
    mu_doctor_saw(doctor, "%zu users, none reads the requests of others", looked);
}
