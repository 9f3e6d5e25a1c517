/* local.c - the configuration, and who may read or write the files that it names. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/tree.h"
#include "doctor/doctor.h"
#include "redis/address.h"

#define FILE_MAX (256 * 1024) /* no configuration is larger */

void mu_check_configuration(struct mu_doctor *doctor) {
    const char *path = doctor->config_path;
    struct mu_error error = {0};
    struct mu_config config;
    struct stat about;
    if (path == NULL) {
        mu_doctor_need_not(doctor, "no configuration was named (--config), and there is none at "
                                   "" MU_CTL_CONFIG_DEFAULT);
        return;
    }
    mu_config_init(&config);
    if (mu_config_load(&config, path, &error) != MUSTER_OK ||
        mu_config_check(&config, &error) != MUSTER_OK) {
        mu_doctor_found(doctor, "CONFIG_WRONG", NULL, "%s", error.text);
    } else {
        mu_doctor_saw(doctor, "%s", path);
    }
    mu_config_deinit(&config);
    if (stat(path, &about) == 0 && (about.st_mode & S_IWOTH) != 0) {
        mu_doctor_found(doctor, "CONFIG_WRITABLE", path, "%s can be written by everybody (%04o)",
                        path, (unsigned)(about.st_mode & 07777));
    }
}

/* ---- secrets ---- */

/* What daemon and loader refuse by themselves is told as CONFIG_WRONG; here are the others. */
struct secrets {
    struct mu_doctor *doctor;
    const char *text; /* of the configuration's file */
    size_t length;
    bool open; /* can everybody read that file? */
    size_t looked;
};

static bool everybody_reads(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && (about.st_mode & S_IRWXO) != 0;
}

static void look_at_value(struct secrets *secrets, const char *key, const char *value) {
    if (value == NULL || value[0] == '\0') {
        return;
    }
    secrets->looked++;
    /* One that came out of a file or the environment does not stand in the text. */
    if (secrets->open && memmem(secrets->text, secrets->length, value, strlen(value)) != NULL) {
        mu_doctor_found(secrets->doctor, "SECRET_READABLE", secrets->doctor->config_path,
                        "%s stands in %s, which everybody can read", key,
                        secrets->doctor->config_path);
    }
}

/* `file:` anywhere below plugins.load; only the schema of a plugin would say which are secrets. */
static void look_at_tree(struct secrets *secrets, const struct muster_config *node,
                         const char *directory) {
    char path[PATH_MAX];
    if (node->kind == MU_TREE_SCALAR && node->raw != NULL && strncmp(node->raw, "file:", 5) == 0) {
        const char *name = node->raw + 5;
        snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : directory,
                 name[0] == '/' ? "" : "/", name);
        secrets->looked++;
        if (everybody_reads(path)) {
            mu_doctor_found(secrets->doctor, "SECRET_READABLE", path,
                            "%s is a secret of a plugin, and everybody can read it", path);
        }
    }
    for (size_t i = 0; i < node->count; i++) {
        look_at_tree(secrets, node->items[i], directory);
    }
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? malloc(FILE_MAX) : NULL;
    *length = text != NULL ? fread(text, 1, FILE_MAX, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    return text;
}

void mu_check_secrets(struct mu_doctor *doctor) {
    const struct mu_config *config = doctor->config;
    struct secrets secrets = {.doctor = doctor};
    struct mu_redis_address address = {0};
    size_t length = 0;
    if (doctor->config_path == NULL) {
        mu_doctor_need_not(doctor, "no configuration was named");
        return;
    }
    char *text = read_file(doctor->config_path, &length);
    secrets.text = text;
    secrets.length = length;
    secrets.open = text != NULL && everybody_reads(doctor->config_path);
    if (config->redis.url[0] != '\0' &&
        mu_redis_address_parse(config->redis.url, &address, NULL) == MUSTER_OK &&
        address.password != NULL) {
        look_at_value(&secrets, "the password in redis.url", config->redis.url);
    }
    mu_redis_address_deinit(&address);
    look_at_value(&secrets, "redis.sentinel.password", config->redis.sentinel.password);
    if (config->plugins.load != NULL) {
        const char *directory = config->plugins.load->directory;
        look_at_tree(&secrets, config->plugins.load, directory != NULL ? directory : ".");
    }
    if (text != NULL) {
        explicit_bzero(text, length);
        free(text);
    }
    mu_doctor_saw(doctor, "%zu secrets, none readable by everybody", secrets.looked);
}

/* ---- the state directory ---- */

void mu_check_state_dir(struct mu_doctor *doctor) {
    const struct mu_ctl *ctl = doctor->ctl;
    const char *directory = ctl->state_dir;
    char path[PATH_MAX];
    struct stat about;
    if (directory == NULL) {
        mu_doctor_need_not(doctor, "Redis is not managed by muster");
        return;
    }
    if (stat(directory, &about) != 0) {
        mu_doctor_cannot(doctor, "%s: %s", directory, strerror(errno));
        return;
    }
    if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        mu_doctor_found(doctor, "STATE_DIR_OPEN", directory, "%s has mode %04o instead of 0700",
                        directory, (unsigned)(about.st_mode & 07777));
    }
    snprintf(path, sizeof path, "%s/redis.password", directory);
    if (stat(path, &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        mu_doctor_found(doctor, "STATE_DIR_OPEN", path, "%s has mode %04o instead of 0600", path,
                        (unsigned)(about.st_mode & 07777));
    }
    mu_doctor_saw(doctor, "%s is closed to others", directory);
}
