/* doctor.c - the command: the way to Redis, the checks in their order, and what they share. */
#include "doctor/doctor.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "config/tree.h"
#include "reach.h"
#include "table.h"

#define PATIENCE_MS 6000
#define AGAIN_MS 100

/* ---- the checks ---- */

enum needs { NOTHING, REDIS };

static void check_redis(struct mu_doctor *doctor);

/* In this order: a cause before what comes of it. */
static const struct {
    const char *name;
    enum needs needs;
    void (*check)(struct mu_doctor *doctor);
} checks[] = {
    {"configuration", NOTHING, mu_check_configuration},
    {"secrets", NOTHING, mu_check_secrets},
    {"state-dir", NOTHING, mu_check_state_dir},
    {"tls-files", NOTHING, mu_check_tls},
    {"plugins", NOTHING, mu_check_plugins},
    {"tokens", NOTHING, mu_check_tokens},
    {"redis", NOTHING, check_redis},
    {"version", REDIS, mu_check_version},
    {"role", REDIS, mu_check_role},
    {"replication", REDIS, mu_check_replication},
    {"mode", REDIS, mu_check_mode},
    {"rights", REDIS, mu_check_rights},
    {"door-rights", REDIS, mu_check_door_rights},
    {"key-events", REDIS, mu_check_key_events},
    {"eviction", REDIS, mu_check_eviction},
    {"memory", REDIS, mu_check_memory},
    {"persistence", REDIS, mu_check_persistence},
    {"clients", REDIS, mu_check_clients},
    {"buffers", REDIS, mu_check_buffers},
    {"timeouts", REDIS, mu_check_timeouts},
    {"busy-limit", REDIS, mu_check_busy_limit},
    {"machine", REDIS, mu_check_machine},
    {"latency", REDIS, mu_check_latency},
    {"slow-functions", REDIS, mu_check_slow},
    {"clock", REDIS, mu_check_clock},
    {"library", REDIS, mu_check_library},
    {"generation", REDIS, mu_check_generation},
    {"lease", REDIS, mu_check_lease},
    {"daemons", REDIS, mu_check_daemons},
    {"brake", REDIS, mu_check_brake},
    {"leaders", REDIS, mu_check_leaders},
    {"suspects", REDIS, mu_check_suspects},
    {"ghosts", REDIS, mu_check_ghosts},
    {"journal", REDIS, mu_check_journal},
    {"listeners", REDIS, mu_check_listeners},
    {"data", REDIS, mu_check_data},
};

#define CHECK_COUNT (sizeof checks / sizeof checks[0])

static struct mu_doctor_check *present(struct mu_doctor *doctor) {
    return &doctor->checks[doctor->check_count - 1];
}

static void say(struct mu_doctor_check *check, const char *format, va_list arguments) {
    free(check->said);
    check->said = NULL;
    mu_must(vasprintf(&check->said, format, arguments) >= 0);
}

void mu_doctor_saw(struct mu_doctor *doctor, const char *format, ...) {
    va_list arguments;
    if (present(doctor)->outcome != MU_CHECK_MADE) {
        return; /* that it could not be made matters more */
    }
    va_start(arguments, format);
    say(present(doctor), format, arguments);
    va_end(arguments);
}

void mu_doctor_cannot(struct mu_doctor *doctor, const char *format, ...) {
    va_list arguments;
    present(doctor)->outcome = MU_CHECK_NOT_MADE;
    va_start(arguments, format);
    say(present(doctor), format, arguments);
    va_end(arguments);
}

void mu_doctor_need_not(struct mu_doctor *doctor, const char *format, ...) {
    va_list arguments;
    present(doctor)->outcome = MU_CHECK_NOT_NEEDED;
    va_start(arguments, format);
    say(present(doctor), format, arguments);
    va_end(arguments);
}

/* ---- findings ---- */

static void put(struct mu_buffer *out, const char *text) {
    mu_must(mu_buffer_append_text(out, text));
}

/* The way to Redis for redis-cli; who logs in is asked for the password. */
static void put_cli(struct mu_buffer *out, const struct mu_redis_address *address) {
    put(out, "redis-cli");
    if (address->path != NULL) {
        mu_must(mu_buffer_printf(out, " -s %s", address->path));
    } else if (address->host != NULL) {
        mu_must(mu_buffer_printf(out, " -h %s -p %u", address->host, (unsigned)address->port));
    }
    put(out, address->tls ? " --tls" : "");
    if (address->tls && address->ca != NULL) {
        mu_must(mu_buffer_printf(out, " --cacert %s", address->ca));
    }
    if (address->user != NULL) {
        mu_must(mu_buffer_printf(out, " --user %s", address->user));
    }
    put(out, address->password != NULL ? " --askpass" : "");
}

static void put_ctl(struct mu_buffer *out, const struct mu_ctl_options *options) {
    const struct {
        const char *name, *value;
    } given[] = {
        {"config", options->config},
        {"url", options->url != NULL ? "URL" : NULL}, /* it may hold a password */
        {"sentinel", options->sentinels},
        {"master", options->master},
        {"state-dir", options->state_dir},
        {"namespace", options->name_space},
    };
    put(out, "musterctl");
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (given[i].value != NULL) {
            mu_must(mu_buffer_printf(out, " --%s %s", given[i].name, given[i].value));
        }
    }
}

/* Names come from others, and commands are copied into shells. */
static void put_quoted(struct mu_buffer *out, const char *text) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                " ._/:=@+,-%";
    if (text[strspn(text, plain)] == '\0') {
        put(out, text);
        return;
    }
    put(out, "'");
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'') {
            put(out, "'\\''");
        } else {
            mu_must(mu_buffer_append(out, at, 1));
        }
    }
    put(out, "'");
}

static char *fill_in(const struct mu_doctor *doctor, const char *pattern, const char *about) {
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    for (const char *at = pattern; *at != '\0';) {
        size_t plain = strcspn(at, "$");
        mu_must(mu_buffer_append(&out, at, plain));
        at += plain;
        if (strncmp(at, "$CONFIG", 7) == 0) {
            put_quoted(&out, doctor->config_path != NULL ? doctor->config_path : "FILE");
            at += 7;
        } else if (strncmp(at, "$CLI", 4) == 0) {
            put_cli(&out, &doctor->ctl->address);
            at += 4;
        } else if (strncmp(at, "$CTL", 4) == 0) {
            put_ctl(&out, doctor->ctl->options);
            at += 4;
        } else if (strncmp(at, "$NS", 3) == 0) {
            put(&out, doctor->ctl->name_space != NULL ? doctor->ctl->name_space : "muster");
            at += 3;
        } else if (strncmp(at, "$1", 2) == 0) {
            put_quoted(&out, about != NULL ? about : "…");
            at += 2;
        } else if (*at == '$') {
            put(&out, "$");
            at++;
        }
    }
    return out.data;
}

static const struct mu_fault *find_fault(const char *code) {
    for (size_t i = 0; i < mu_fault_count; i++) {
        if (strcmp(mu_faults[i].code, code) == 0) {
            return &mu_faults[i];
        }
    }
    abort(); /* our own fault: every code of a check is in the table */
}

void mu_doctor_found(struct mu_doctor *doctor, const char *code, const char *about,
                     const char *format, ...) {
    const struct mu_fault *fault = find_fault(code);
    struct mu_doctor_finding finding = {.fault = fault};
    va_list arguments;
    va_start(arguments, format);
    mu_must(vasprintf(&finding.what, format, arguments) >= 0);
    va_end(arguments);
    finding.consequence = fill_in(doctor, fault->consequence, about);
    finding.mend = fill_in(doctor, fault->mend, about);
    doctor->findings =
        mu_realloc(doctor->findings, (doctor->finding_count + 1) * sizeof *doctor->findings);
    doctor->findings[doctor->finding_count++] = finding;
    present(doctor)->faults++;
}

/* ---- what Redis says of itself ---- */

bool mu_doctor_refused(struct mu_doctor *doctor, const redisReply *reply) {
    if (reply == NULL) {
        mu_doctor_cannot(doctor, "Redis was lost");
        return true;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        mu_doctor_cannot(doctor, "%s", reply->str);
        return true;
    }
    return false;
}

static bool find_info(const char *info, const char *name, char *out, size_t size) {
    size_t length = strlen(name);
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            snprintf(out, size, "%.*s", (int)strcspn(line + length + 1, "\r\n"), line + length + 1);
            return true;
        }
    }
    return false;
}

bool mu_doctor_info(struct mu_doctor *doctor, const char *name, char *out, size_t size) {
    if (!find_info(doctor->info, name, out, size)) {
        mu_doctor_cannot(doctor, "INFO does not say %s%s%s", name,
                         doctor->refused != NULL ? ": " : "",
                         doctor->refused != NULL ? doctor->refused : "");
        return false;
    }
    return true;
}

bool mu_doctor_info_number(struct mu_doctor *doctor, const char *name, int64_t *out) {
    char text[64];
    if (!mu_doctor_info(doctor, name, text, sizeof text)) {
        return false;
    }
    *out = strtoll(text, NULL, 10);
    return true;
}

int64_t mu_doctor_info_or(const struct mu_doctor *doctor, const char *name, int64_t otherwise) {
    char text[64];
    return find_info(doctor->info, name, text, sizeof text) ? strtoll(text, NULL, 10) : otherwise;
}

const char *mu_doctor_setting(struct mu_doctor *doctor, const char *name) {
    const redisReply *all = doctor->settings;
    for (size_t i = 0; all != NULL && i + 1 < all->elements; i += 2) {
        if (strcmp(mu_reply_text(all->element[i]), name) == 0) {
            return mu_reply_text(all->element[i + 1]);
        }
    }
    mu_doctor_cannot(doctor, "CONFIG GET does not say %s%s%s", name,
                     doctor->refused != NULL ? ": " : "",
                     doctor->refused != NULL ? doctor->refused : "");
    return NULL;
}

bool mu_doctor_setting_number(struct mu_doctor *doctor, const char *name, int64_t *out) {
    const char *text = mu_doctor_setting(doctor, name);
    if (text == NULL) {
        return false;
    }
    *out = strtoll(text, NULL, 10);
    return true;
}

static void note_refusal(struct mu_doctor *doctor, const redisReply *reply) {
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && doctor->refused == NULL) {
        doctor->refused = mu_strdup(reply->str);
    }
}

static void ask_redis(struct mu_doctor *doctor) {
    redisReply *info = mu_ask(doctor->ctl, "INFO everything");
    redisReply *settings =
        mu_ask(doctor->ctl, "CONFIG GET notify-keyspace-events maxmemory maxmemory-policy "
                            "appendonly save maxclients client-output-buffer-limit timeout "
                            "tcp-keepalive busy-reply-threshold min-replicas-to-write disable-thp");
    note_refusal(doctor, info);
    note_refusal(doctor, settings);
    if (info != NULL && info->type != REDIS_REPLY_ERROR) {
        doctor->info = mu_strdup(mu_reply_text(info));
    }
    freeReplyObject(info);
    if (settings != NULL && settings->type == REDIS_REPLY_ARRAY) {
        doctor->settings = settings;
    } else {
        freeReplyObject(settings);
    }
}

/* Whose rights matter: who was named, or else the daemon of the configuration, or else we. */
static void choose_user(struct mu_doctor *doctor) {
    const struct mu_ctl_options *options = doctor->ctl->options;
    struct mu_redis_address address = {0};
    if (options->user != NULL) {
        doctor->user = mu_strdup(options->user);
        return;
    }
    if (doctor->config_path != NULL && doctor->config->redis.url[0] != '\0' &&
        mu_redis_address_parse(doctor->config->redis.url, &address, NULL) == MUSTER_OK) {
        doctor->user = mu_strdup(address.user != NULL ? address.user : "default");
    } else if (doctor->ctl->address.user != NULL) {
        doctor->user = mu_strdup(doctor->ctl->address.user);
    } else {
        doctor->user = mu_strdup("default");
    }
    mu_redis_address_deinit(&address);
}

static void check_redis(struct mu_doctor *doctor) {
    const char *why = doctor->unreached;
    const char *code = "REDIS_UNREACHABLE";
    if (why == NULL) {
        mu_doctor_saw(doctor, "answers at %s", doctor->ctl->where);
        ask_redis(doctor);
        choose_user(doctor);
        return;
    }
    if (strstr(why, "BUSY ") != NULL) {
        code = "REDIS_BUSY";
    } else if (strstr(why, "LOADING ") != NULL) {
        code = "REDIS_LOADING";
    } else if (strstr(why, "WRONGPASS") != NULL || strstr(why, "NOAUTH") != NULL ||
               strstr(why, "NOPERM") != NULL) {
        code = "REDIS_LOGIN";
    }
    mu_doctor_found(doctor, code, NULL, "%s", why);
}

/* ---- for checks that look twice ---- */

bool mu_doctor_settles(struct mu_doctor *doctor, bool (*settled)(void *context), void *context) {
    uint64_t until = mu_clock_boottime_ms() + doctor->patience_ms;
    while (!settled(context)) {
        if (doctor->ctl->lost || mu_clock_boottime_ms() >= until) {
            return false;
        }
        poll(NULL, 0, AGAIN_MS);
    }
    return true;
}

bool mu_doctor_loads(const struct mu_doctor *doctor, const char *plugin,
                     const struct muster_config **given) {
    const struct muster_config *load = doctor->config->plugins.load;
    size_t length = strlen(plugin);
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        const struct muster_config *name = mu_tree_get(load->items[i], "name");
        const char *text = name != NULL && name->text != NULL ? name->text : "";
        const char *slash = strrchr(text, '/');
        const char *base = slash != NULL ? slash + 1 : text;
        if (strncmp(base, plugin, length) == 0 &&
            (base[length] == '\0' || strcmp(base + length, ".so") == 0)) {
            *given = mu_tree_get(load->items[i], "config");
            return true;
        }
    }
    return false;
}

/* ---- the command ---- */

static void examine(struct mu_doctor *doctor) {
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        doctor->checks[doctor->check_count++] = (struct mu_doctor_check){.name = checks[i].name};
        if (checks[i].needs == REDIS && doctor->ctl->redis == NULL) {
            mu_doctor_cannot(doctor, "Redis cannot be used (see 'redis')");
        } else if (checks[i].needs == REDIS && doctor->ctl->lost) {
            mu_doctor_cannot(doctor, "Redis was lost");
        } else {
            checks[i].check(doctor);
        }
    }
}

/* Reads the configuration, finds Redis and connects. What fails is for checks to tell. */
static enum mu_ctl_exit prepare(struct mu_doctor *doctor, struct mu_ctl_options *options,
                                bool *usable) {
    struct mu_error error = {0};
    bool elsewhere =
        options->url != NULL || options->sentinels != NULL || options->state_dir != NULL;
    const char *path = options->config;
    if (path == NULL && !elsewhere && access(MU_CTL_CONFIG_DEFAULT, F_OK) == 0) {
        path = MU_CTL_CONFIG_DEFAULT;
    }
    doctor->config_path = path;
    *usable = path == NULL || mu_config_load(doctor->config, path, &error) == MUSTER_OK;
    if (*usable && path != NULL) {
        *usable = mu_config_check(doctor->config, &error) == MUSTER_OK;
    }
    if (!*usable) {
        mu_config_deinit(doctor->config); /* half read: thrown away */
        mu_config_init(doctor->config);
        options->config = NULL;
        doctor->unreached = mu_strdup("the configuration is wrong, so it is not known where "
                                      "Redis is; name it with --url");
        if (!elsewhere) {
            return MU_CTL_UNREACHABLE;
        }
        free(doctor->unreached);
        doctor->unreached = NULL;
    }
    enum mu_ctl_exit status = mu_ctl_find(doctor->ctl, options);
    if (status == MU_CTL_FINE && mu_ctl_try(doctor->ctl, &error) != MU_CTL_FINE) {
        doctor->unreached = mu_strdup(error.text);
        status = MU_CTL_UNREACHABLE;
    }
    return status;
}

static void deinit(struct mu_doctor *doctor) {
    for (size_t i = 0; i < doctor->check_count; i++) {
        free(doctor->checks[i].said);
    }
    for (size_t i = 0; i < doctor->finding_count; i++) {
        free(doctor->findings[i].what);
        free(doctor->findings[i].consequence);
        free(doctor->findings[i].mend);
    }
    free(doctor->checks);
    free(doctor->findings);
    free(doctor->unreached);
    free(doctor->info);
    free(doctor->refused);
    free(doctor->user);
    freeReplyObject(doctor->settings);
    mu_config_deinit(doctor->config);
}

/* What could not be checked may be wrong: only what was seen is fine. */
static enum mu_ctl_exit verdict(const struct mu_doctor *doctor, enum mu_ctl_exit status) {
    for (size_t i = 0; i < doctor->check_count && status == MU_CTL_FINE; i++) {
        const struct mu_doctor_check *check = &doctor->checks[i];
        if (check->outcome == MU_CHECK_NOT_MADE || check->faults > 0) {
            status = MU_CTL_NO;
        }
    }
    return doctor->ctl->lost ? MU_CTL_UNREACHABLE : status;
}

enum mu_ctl_exit mu_ctl_doctor(const struct mu_ctl_options *given) {
    struct mu_ctl_options options = *given;
    struct mu_ctl ctl = {.options = given};
    struct mu_config config;
    bool usable = false;
    struct mu_doctor doctor = {
        .ctl = &ctl,
        .config = &config,
        .patience_ms = given->patience_ms == UINT64_MAX ? PATIENCE_MS : given->patience_ms,
        .checks = mu_calloc(CHECK_COUNT, sizeof *doctor.checks),
    };
    mu_config_init(&config);
    enum mu_ctl_exit status = prepare(&doctor, &options, &usable);
    ctl.options = given;
    if (status != MU_CTL_USAGE) {
        examine(&doctor);
        mu_doctor_report(&doctor);
        status = verdict(&doctor, usable ? status : MU_CTL_NO);
    }
    deinit(&doctor);
    mu_ctl_leave(&ctl);
    return status;
}
