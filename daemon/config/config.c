#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "config/keys.h"
#include "config/scan.h"
#include "config/text.h"
#include "config/value.h"
#include "config/walk.h"

/* <host name>-<random>, with what an id may not have made a dash. */
static char *own_id(void) {
    char host[MU_ID_MAX - 16 + 1] = "";
    char random[MU_RANDOM_ID_SIZE];
    struct mu_buffer id;

    /* A name that does not fit is cut, then perhaps without its NUL. */
    if ((gethostname(host, sizeof host) != 0 && errno != ENAMETOOLONG) || host[0] == '\0') {
        memcpy(host, "musterd", sizeof "musterd");
    }
    host[sizeof host - 1] = '\0';
    for (char *c = host; *c != '\0'; c++) {
        if (!mu_id_valid(c, 1)) {
            *c = '-';
        }
    }
    mu_random_id(random);
    mu_buffer_init(&id, MU_ID_MAX);
    if (!mu_buffer_printf(&id, "%s-%.8s", host, random)) {
        abort(); /* out of memory, as in alloc.c */
    }
    return id.data;
}

static void fill_id(struct mu_config *config) {
    if (config->coordinator.id[0] == '\0') {
        free(config->coordinator.id);
        config->coordinator.id = own_id();
        snprintf(config->coordinator.made_up, sizeof config->coordinator.made_up, "%s",
                 config->coordinator.id);
    }
}

void mu_config_init(struct mu_config *config) {
    memset(config, 0, sizeof *config);
    config->origins = mu_calloc(mu_config_key_count, sizeof *config->origins);
    for (size_t i = 0; i < mu_config_key_count; i++) {
        /* An empty list, or no tree, is what zeroed storage is. */
        if (mu_config_keys[i].type != MU_TYPE_LIST && mu_config_keys[i].type != MU_TYPE_TREE &&
            mu_value_read(config, &mu_config_keys[i], mu_config_keys[i].fallback, NULL) !=
                MUSTER_OK) {
            abort(); /* the table contradicts itself */
        }
    }
    fill_id(config);
}

void mu_config_deinit(struct mu_config *config) {
    for (size_t i = 0; i < mu_config_key_count; i++) {
        mu_value_clear(config, &mu_config_keys[i]);
        free(config->origins[i]);
    }
    free(config->origins);
    memset(config, 0, sizeof *config);
}

enum muster_status mu_config_parse(struct mu_config *config, const char *name, const char *text,
                                   size_t length, struct mu_error *error) {
    const char *slash = strrchr(name, '/');
    struct mu_error unheard;
    enum muster_status status;
    char *directory;

    if (slash == NULL) {
        directory = mu_strdup(".");
    } else {
        directory = slash == name ? mu_strdup("/") : mu_strndup(name, (size_t)(slash - name));
    }
    status = mu_walk_file(config, name, directory, text, length, error != NULL ? error : &unheard);
    free(directory);
    if (status == MUSTER_OK) {
        fill_id(config);
    }
    return status;
}

/* Reads until the end or one byte more than is allowed, which parsing then refuses. */
static bool read_file(int fd, struct mu_buffer *text) {
    char chunk[4096];

    while (text->length <= MU_CONFIG_MAX_BYTES) {
        ssize_t got = read(fd, chunk, sizeof chunk);

        if (got == 0) {
            return true;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 || !mu_buffer_append(text, chunk, (size_t)got)) {
            return false;
        }
    }
    return true;
}

enum muster_status mu_config_load(struct mu_config *config, const char *path,
                                  struct mu_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    enum muster_status status;
    struct mu_buffer text;

    mu_buffer_init(&text, 0);
    if (fd < 0 || !read_file(fd, &text)) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST, "%s: cannot be read: %s", path,
                              strerror(errno));
    } else {
        status =
            mu_config_parse(config, path, text.data != NULL ? text.data : "", text.length, error);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.capacity); /* a url with its password may stand in there */
    }
    mu_buffer_deinit(&text);
    return status;
}

static enum muster_status unknown(const char *name, struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];
    struct mu_buffer sentence;
    char *section = mu_strdup(name);
    char *dot = strrchr(section, '.');
    const char *last = name;
    enum muster_status status = MUSTER_INTERNAL;

    /* In the deepest section that there is, so that the suggestion is of that section. */
    while (dot != NULL) {
        *dot = '\0';
        if (mu_config_key_is_section(section)) {
            last = name + (dot - section) + 1;
            break;
        }
        dot = strrchr(section, '.');
    }
    mu_buffer_init(&sentence, 0);
    if (mu_config_key_unknown(&sentence, dot != NULL ? section : "", last)) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST, "--set %s: %s",
                              mu_text_show(shown, name, strlen(name)), sentence.data);
    }
    mu_buffer_deinit(&sentence);
    free(section);
    return status;
}

enum muster_status mu_config_set(struct mu_config *config, const char *assignment,
                                 struct mu_error *error) {
    const char *equals = strchr(assignment, '=');
    char shown[MU_TEXT_SHOWN];
    struct mu_error unheard;
    enum muster_status status;
    char *name;
    size_t key;

    mu_text_show(shown, assignment, strlen(assignment));
    if (equals == NULL) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "--set %s: has no '='; allowed is key=value, such as log.level=debug",
                            shown);
    }
    name = mu_strndup(assignment, (size_t)(equals - assignment));
    key = mu_config_key_find(name);
    if (key < mu_config_key_count) {
        status = mu_walk_value(config, key, equals + 1, strlen(equals + 1),
                               error != NULL ? error : &unheard);
    } else if (name[0] == '\0' || mu_config_key_is_section(name)) {
        status = mu_error_set(error, MUSTER_BAD_REQUEST,
                              "--set %s: is not a key%s; allowed is key=value, such as "
                              "log.level=debug",
                              mu_text_show(shown, name, strlen(name)),
                              name[0] != '\0' ? " but a section" : "");
    } else {
        status = unknown(name, error);
    }
    free(name);
    if (status == MUSTER_OK) {
        fill_id(config);
    }
    return status;
}

char *mu_config_advertised(const struct mu_config *config) {
    struct mu_buffer text;
    mu_buffer_init(&text, 0);
    bool done = mu_buffer_append_text(&text, "");
    for (size_t i = 0; done && i < config->coordinator.advertise_count; i++) {
        done = mu_buffer_printf(&text, "%s%s", i == 0 ? "" : ",", config->coordinator.advertise[i]);
    }
    if (!done) {
        abort(); /* out of memory, as in alloc.c */
    }
    char *out = mu_strdup(text.data != NULL ? text.data : "");
    mu_buffer_deinit(&text);
    return out;
}
