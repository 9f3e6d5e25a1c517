#include "lib/access.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/redis.h"
#include "lib/test.h"

#define SHIPPED MUSTER_SOURCE_DIR "/etc/users.acl"

static bool has_mode(const char *wanted) {
    static const char *const modes[] = {"acl", "tls", "acl+tls"};
    const char *mode = getenv("MUSTER_TEST_REDIS");
    if (mode == NULL || mode[0] == '\0')
        return false;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(mode, modes[i]) == 0)
            return strstr(mode, wanted) != NULL;
    fprintf(stderr, "MUSTER_TEST_REDIS is '%s', allowed are acl, tls, acl+tls\n", mode);
    abort();
}

bool mt_access_has_users(void) {
    return has_mode("acl");
}

bool mt_access_has_tls(void) {
    return has_mode("tls");
}

/* Good for 30 days. */
static bool is_fresh(const char *certificate) {
    struct stat status;
    return stat(certificate, &status) == 0 && time(NULL) - status.st_mtime < 20L * 24 * 60 * 60;
}

const char *mt_access_certificates(struct mt_world *world) {
    static const char shared[] = MUSTER_BUILD_DIR "/tests/access";
    const char *dir = mt_world_path(world, "access");
    if (access(dir, F_OK) != 0) {
        const char *made = shared;
        if (!is_fresh(MUSTER_BUILD_DIR "/tests/access/ca.pem")) {
            made = mt_world_path(world, "access.made");
            const char *const argv[] = {MUSTER_SOURCE_DIR "/tests/lib/certificates.sh", made,
                                        "server", NULL};
            assert_int_equal(mkdir(made, 0700), 0);
            assert_int_equal(mt_process_run(world, "access", argv, NULL), 0);
            if (rename(made, shared) == 0) /* not where others lie */
                made = shared;
        }
        assert_int_equal(symlink(made, dir), 0);
    }
    setenv("SSL_CERT_FILE", mt_world_path(world, "access/ca.pem"), 1);
    return dir;
}

const char *mt_access_name(enum mt_user user) {
    static const char *const names[] = {
        [MT_DAEMON] = "muster-daemon", [MT_BACKEND] = "muster-backend", [MT_ADMIN] = NULL};
    return names[user];
}

const char *mt_access_password(enum mt_user user) {
    static const char *const passwords[] = {
        [MT_DAEMON] = "word-of-daemon", [MT_BACKEND] = "word-of-backend", [MT_ADMIN] = NULL};
    return passwords[user];
}

enum mt_user mt_access_caller(const char *function) {
    static const char *const backend[] = {
        "start", "heartbeat",  "drain",  "stop",       "register", "update",
        "touch", "disconnect", "resume", "unregister", "enter",    "join",
        "leave", "promote",    "kick",   "configure",  "version"};
    for (size_t i = 0; i < sizeof backend / sizeof backend[0]; i++)
        if (strcmp(function, backend[i]) == 0)
            return MT_BACKEND;
    return MT_DAEMON;
}

static bool is_of(const char *line, const char *name) {
    size_t length = strlen(name);
    return strncmp(line, "user ", 5) == 0 && strncmp(line + 5, name, length) == 0 &&
           line[5 + length] == ' ';
}

static void copy_line(const char *line, FILE *to) {
    const char *at = line;
    for (const char *found; (found = strstr(at, "{muster}")) != NULL;) {
        fprintf(to, "%.*s{" MT_NAMESPACE "}", (int)(found - at), at);
        at = found + sizeof "{muster}" - 1;
    }
    fprintf(to, "%.*s", (int)strcspn(at, "\n"), at);
    /* The version of the library is asked for with this key in every namespace. */
    if (is_of(line, "muster-daemon") || is_of(line, "muster-reader"))
        fputs(" ~{muster}", to);
    for (enum mt_user user = MT_DAEMON; user < MT_ADMIN; user++)
        if (is_of(line, mt_access_name(user)))
            fprintf(to, " on >%s", mt_access_password(user));
    fputc('\n', to);
}

static void users_file(const char *socket, char *path, size_t size) {
    assert_true((size_t)snprintf(path, size, MT_USERS_FILE, socket) < size);
}

void mt_access_write_users(const char *socket) {
    char path[256];
    char line[4096];
    users_file(socket, path, sizeof path);
    FILE *from = fopen(SHIPPED, "re");
    FILE *to = fopen(path, "we");
    assert_non_null(from);
    assert_non_null(to);
    while (fgets(line, sizeof line, from) != NULL) {
        assert_non_null(strchr(line, '\n'));
        copy_line(line, to);
    }
    fclose(from);
    assert_int_equal(fclose(to), 0);
}

bool mt_access_guards(const char *socket) {
    char path[256];
    users_file(socket, path, sizeof path);
    return access(path, F_OK) == 0;
}

static const char *field(const redisReply *entry, const char *name) {
    for (size_t i = 0; i + 1 < entry->elements; i += 2)
        if (strcmp(entry->element[i]->str, name) == 0)
            return entry->element[i + 1]->str;
    return "";
}

void mt_access_check(struct mt_world *world, const char *socket) {
    const struct timeval patience = {.tv_sec = 2};
    size_t refusals = 0;
    redisContext *redis = redisConnectUnixWithTimeout(socket, patience);
    if (redis == NULL || redis->err != 0) {
        if (redis != NULL)
            redisFree(redis);
        return;
    }
    redisSetTimeout(redis, patience);
    redisReply *log = redisCommand(redis, "ACL LOG 128");
    for (size_t i = 0; log != NULL && log->type == REDIS_REPLY_ARRAY && i < log->elements; i++) {
        const redisReply *entry = log->element[i];
        if (strncmp(field(entry, "username"), "muster-", 7) != 0 ||
            strcmp(field(entry, "reason"), "auth") == 0)
            continue;
        print_error("refused to %s: %s %s (%s)\n", field(entry, "username"), field(entry, "reason"),
                    field(entry, "object"), field(entry, "context"));
        refusals++;
    }
    if (log != NULL)
        freeReplyObject(log);
    redisFree(redis);
    if (refusals != 0)
        mt_fail(world, "etc/users.acl refused %zu things", refusals);
}
