#include "settings.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "body.h"
#include "trust.h"

#define FILE_MAX_BYTES (1u << 20)
#define DAY_MS UINT64_C(86400000)

const struct muster_config_key http_keys[HTTP_KEYS] = {
    {"url", MUSTER_CONFIG_TEXT, true, NULL, 1, 2048,
     "Where actions are asked about; http:// or https://"},
    {"authenticate_url", MUSTER_CONFIG_TEXT, false, NULL, 1, 2048,
     "Where credentials are asked about; none: they are left to others"},
    {"actions", MUSTER_CONFIG_LIST, false, "[*]", 1, 64,
     "Patterns of the actions that are asked about, such as session.*; others are left to others"},
    {"authorization", MUSTER_CONFIG_SECRET, false, NULL, 1, 8192,
     "Value of the header Authorization, such as file:/etc/muster/http.token"},
    {"ca_file", MUSTER_CONFIG_TEXT, false, NULL, 1, 4096,
     "Certificates that are trusted in place of the system's; an absolute path"},
    {"client_cert", MUSTER_CONFIG_TEXT, false, NULL, 1, 4096,
     "Certificate that is shown to the service; an absolute path"},
    {"client_key", MUSTER_CONFIG_SECRET, false, NULL, 1, 64 << 10,
     "Its key, as file:/etc/muster/http.key"},
    {"timeout", MUSTER_CONFIG_DURATION, false, "2s", 10, 300000,
     "From the question to the answer, waiting included; well below limits.request_timeout"},
    {"connect_timeout", MUSTER_CONFIG_DURATION, false, "1s", 10, 300000,
     "How long connecting may take"},
    {"max_concurrent", MUSTER_CONFIG_INTEGER, false, "32", 1, 1024,
     "Most questions at the service at once, each on a connection of its own"},
    {"max_queued", MUSTER_CONFIG_INTEGER, false, "1000", 0, 100000,
     "Most questions that wait for one of them; more are answered RATE_LIMITED"},
    {"max_response", MUSTER_CONFIG_SIZE, false, "64KiB", 256, 4 << 20, "Largest answer"},
    {"cache_max", MUSTER_CONFIG_DURATION, false, "60s", 0, DAY_MS,
     "Most that the ttl of an answer counts for; 0ms: nothing is remembered"},
    {"breaker_failures", MUSTER_CONFIG_INTEGER, false, "5", 1, 1000000,
     "After so many failures in a row the service is left alone"},
    {"breaker_open", MUSTER_CONFIG_DURATION, false, "5s", 10, 3600000,
     "For so long; then one question is let through"},
};

/* What reading needs. */
struct reader {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const struct muster_config *node;
    struct muster_complaint *complaint;
};

static const struct muster_config *find(const struct reader *reader, const char *key) {
    return reader->host->config_get(reader->plugin, reader->node, key);
}

static const char *text_of(const struct reader *reader, const char *key) {
    const struct muster_config *node = find(reader, key);
    return node != NULL ? reader->host->config_text(reader->plugin, node) : NULL;
}

static bool complain(const struct reader *reader, const char *key, const char *wrong) {
    const struct muster_config *node = find(reader, key);
    snprintf(reader->complaint->text, sizeof reader->complaint->text, "%s%s%s: %s",
             node != NULL ? reader->host->config_place(reader->plugin, node) : "",
             node != NULL ? ": " : "", key, wrong);
    return false;
}

/* A copy; *out stays NULL where there is no such key. */
static bool copy_text(const struct reader *reader, const char *key, char **out) {
    const char *text = text_of(reader, key);
    if (text == NULL) {
        return true;
    }
    *out = strdup(text);
    return *out != NULL || complain(reader, key, "out of memory");
}

/* ---- addresses ---- */

static const char *judge_url(CURLU *url, const char *text) {
    const char *wrong = NULL;
    char *scheme = NULL;
    char *user = NULL;
    char *host = NULL;
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        wrong = "is no URL such as https://auth.example/muster";
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        wrong = "is neither http:// nor https://";
    } else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        wrong = "holds a user; a secret belongs into authorization: file:...";
    }
    curl_free(scheme);
    curl_free(user);
    curl_free(host);
    return wrong;
}

static bool read_url(const struct reader *reader, const char *key, char **out) {
    if (!copy_text(reader, key, out) || *out == NULL) {
        return *out == NULL && text_of(reader, key) == NULL;
    }
    CURLU *url = curl_url();
    const char *wrong = url != NULL ? judge_url(url, *out) : "out of memory";
    curl_url_cleanup(url);
    return wrong == NULL || complain(reader, key, wrong);
}

/* ---- files and secrets ---- */

/* What lies in `path`; false with errno. */
static bool load(const char *path, struct http_pem *pem) {
    struct stat about;
    /* Without O_NONBLOCK a FIFO would keep the daemon waiting for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    errno = EINVAL;
    bool done = fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 &&
                about.st_size <= FILE_MAX_BYTES;
    size_t size = done ? (size_t)about.st_size : 0;
    pem->data = done ? malloc(size) : NULL;
    while (pem->data != NULL && pem->length < size) {
        ssize_t got = read(fd, pem->data + pem->length, size - pem->length);
        if (got <= 0) {
            break;
        }
        pem->length += (size_t)got;
    }
    close(fd);
    return done && pem->length == size;
}

static bool read_file(const struct reader *reader, const char *key, struct http_pem *pem) {
    const char *path = text_of(reader, key);
    char wrong[128];
    if (path == NULL) {
        return true;
    }
    if (path[0] != '/') {
        return complain(reader, key, "is no absolute path");
    }
    if (load(path, pem)) {
        return true;
    }
    snprintf(wrong, sizeof wrong, "cannot be read as a file of 1 byte to 1 MiB: %s",
             strerror(errno));
    return complain(reader, key, wrong);
}

static bool is_https(const char *url) {
    return url != NULL && strncasecmp(url, "https:", 6) == 0;
}

static bool read_trust(const struct reader *reader, struct http_settings *settings) {
    struct http_pem pem = {0};
    if (!read_file(reader, "ca_file", &pem)) {
        free(pem.data);
        return false;
    }
    bool wanted =
        pem.data != NULL || is_https(settings->url) || is_https(settings->authenticate_url);
    settings->trust = wanted ? http_trust_create(pem.data, pem.length) : NULL;
    free(pem.data);
    return settings->trust != NULL || !wanted ||
           complain(reader, "ca_file", "holds no certificate in PEM, or a damaged one");
}

static bool read_key(const struct reader *reader, struct http_pem *pem) {
    const char *text = text_of(reader, "client_key");
    if ((text == NULL) != (find(reader, "client_cert") == NULL)) {
        return complain(reader, text == NULL ? "client_cert" : "client_key",
                        "client_cert and client_key belong together");
    }
    if (text == NULL) {
        return true;
    }
    pem->data = strdup(text);
    pem->length = strlen(text);
    return pem->data != NULL || complain(reader, "client_key", "out of memory");
}

static bool read_authorization(const struct reader *reader, char **out) {
    static const char name[] = "Authorization: ";
    const char *text = text_of(reader, "authorization");
    if (text == NULL) {
        return true;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return complain(reader, "authorization", "holds a control character");
        }
    }
    size_t size = sizeof name + strlen(text);
    *out = malloc(size);
    if (*out == NULL) {
        return complain(reader, "authorization", "out of memory");
    }
    snprintf(*out, size, "%s%s", name, text);
    return true;
}

/* ---- the rest ---- */

static bool read_actions(const struct reader *reader, bool asked[MUSTER_ACTIONS]) {
    const struct muster_config *list = find(reader, "actions");
    size_t count = reader->host->config_count(reader->plugin, list);
    for (size_t i = 0; i < count; i++) {
        const char *pattern = reader->host->config_text(
            reader->plugin, reader->host->config_item(reader->plugin, list, i));
        bool found = false;
        for (int action = 0; action < MUSTER_ACTIONS; action++) {
            if (fnmatch(pattern, http_action_name((enum muster_action)action), 0) == 0) {
                asked[action] = true;
                found = true;
            }
        }
        if (!found) {
            char wrong[200];
            snprintf(wrong, sizeof wrong, "'%.64s' fits no action", pattern);
            return complain(reader, "actions", wrong);
        }
    }
    return true;
}

static void read_numbers(const struct reader *reader, struct http_settings *settings) {
    const struct {
        const char *key;
        uint64_t *to;
    } numbers[] = {
        {"timeout", &settings->timeout_ms},
        {"connect_timeout", &settings->connect_timeout_ms},
        {"max_concurrent", &settings->max_concurrent},
        {"max_queued", &settings->max_queued},
        {"max_response", &settings->max_response},
        {"cache_max", &settings->cache_most_ms},
        {"breaker_failures", &settings->breaker_failures},
        {"breaker_open", &settings->breaker_open_ms},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        for (size_t j = 0; j < HTTP_KEYS; j++) {
            if (strcmp(http_keys[j].name, numbers[i].key) == 0) {
                /* Checked by the host, and every one of these has a default. */
                (void)reader->host->config_number(reader->plugin, find(reader, numbers[i].key),
                                                  http_keys[j].type, numbers[i].to);
            }
        }
    }
}

struct http_settings *http_settings_read(struct muster_plugin *plugin,
                                         const struct muster_host *host,
                                         const struct muster_config *node,
                                         struct muster_complaint *complaint) {
    struct reader reader = {plugin, host, node, complaint};
    struct http_settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL) {
        snprintf(complaint->text, sizeof complaint->text, "out of memory");
        return NULL;
    }
    read_numbers(&reader, settings);
    if (!read_url(&reader, "url", &settings->url) ||
        !read_url(&reader, "authenticate_url", &settings->authenticate_url) ||
        !read_actions(&reader, settings->asked) ||
        !read_authorization(&reader, &settings->authorization) || !read_trust(&reader, settings) ||
        !read_file(&reader, "client_cert", &settings->client_cert) ||
        !read_key(&reader, &settings->client_key)) {
        http_settings_destroy(&settings);
    }
    return settings;
}

static void wipe(char *text, size_t length) {
    if (text != NULL) {
        explicit_bzero(text, length);
        free(text);
    }
}

void http_settings_destroy(struct http_settings **pointer) {
    struct http_settings *settings = *pointer;
    *pointer = NULL;
    if (settings == NULL) {
        return;
    }
    if (settings->authorization != NULL) {
        wipe(settings->authorization, strlen(settings->authorization));
    }
    wipe(settings->client_key.data, settings->client_key.length);
    free(settings->client_cert.data);
    http_trust_destroy(&settings->trust);
    free(settings->authenticate_url);
    free(settings->url);
    free(settings);
}
