#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "trust.h"

#define IDLE_CONNECTIONS_MAX 32

struct http_client {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct http_settings *settings;
    struct curl_slist *headers;
    CURLM *multi;
    uv_timer_t timer;
    size_t transfers; /* sent and not dropped */
    size_t handles;   /* of libuv, not yet closed */
    bool inside;      /* a call of curl's or of `finished` is on the stack */
    bool retired;
    bool closing;
    void (*finished)(void *context, CURL *easy, CURLcode code);
    void (*closed)(void *context, struct http_client *client);
    void *context;
};

struct watched {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t socket;
};

/* ---- the end ---- */

static void free_client(struct http_client *client) {
    curl_slist_free_all(client->headers);
    http_settings_destroy(&client->settings);
    free(client);
}

static void handle_closed(struct http_client *client, const char *what) {
    client->host->release(client->plugin, what);
    client->handles--;
    if (client->closing && client->handles == 0) {
        client->closed(client->context, client);
        free_client(client);
    }
}

static void on_timer_closed(uv_handle_t *handle) {
    handle_closed(handle->data, "timer");
}

static void on_poll_closed(uv_handle_t *handle) {
    struct watched *watched = handle->data;
    struct http_client *client = watched->client;
    free(watched);
    handle_closed(client, "socket");
}

static void close_if_over(struct http_client *client) {
    if (!client->retired || client->closing || client->inside || client->transfers > 0) {
        return;
    }
    client->closing = true;
    /* Closes the connections, and with them what watches their sockets. */
    client->inside = true;
    curl_multi_cleanup(client->multi);
    client->multi = NULL;
    client->inside = false;
    uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

void http_client_retire(struct http_client *client) {
    client->retired = true;
    close_if_over(client);
}

/* ---- curl and libuv ---- */

/* Calls curl, then says what is finished. */
static void act(struct http_client *client, curl_socket_t socket, int events) {
    CURLMsg *message = NULL;
    int running = 0;
    int left = 0;
    client->inside = true;
    curl_multi_socket_action(client->multi, socket, events, &running);
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            /* The message is gone once the handle is: both are read before. */
            client->finished(client->context, message->easy_handle, message->data.result);
        }
    }
    client->inside = false;
    close_if_over(client);
}

static void on_timer(uv_timer_t *timer) {
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(uv_poll_t *poll, int status, int events) {
    const struct watched *watched = poll->data;
    int flags = 0;
    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    } else {
        flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
        flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    }
    act(watched->client, watched->socket, flags);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *context) {
    struct http_client *client = context;
    (void)multi;
    if (client->closing) {
        return 0;
    }
    if (timeout_ms < 0) {
        uv_timer_stop(&client->timer);
    } else {
        /* Also for 0 in a later turn: curl must not be called from inside. uv_now() may be old. */
        uv_update_time(client->timer.loop);
        uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static struct watched *watch(struct http_client *client, curl_socket_t socket) {
    struct watched *watched = calloc(1, sizeof *watched);
    if (watched == NULL) {
        return NULL;
    }
    if (uv_poll_init_socket(client->timer.loop, &watched->poll, socket) != 0) {
        free(watched);
        return NULL;
    }
    watched->client = client;
    watched->socket = socket;
    watched->poll.data = watched;
    client->handles++;
    client->host->hold(client->plugin, "socket");
    curl_multi_assign(client->multi, socket, watched);
    return watched;
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *context,
                          void *of_socket) {
    struct http_client *client = context;
    struct watched *watched = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            /* Takes it out of the loop at once: curl closes the socket when this returns. */
            uv_close((uv_handle_t *)&watched->poll, on_poll_closed);
            if (client->multi != NULL) {
                curl_multi_assign(client->multi, socket, NULL);
            }
        }
        return 0;
    }
    if (watched == NULL) {
        watched = watch(client, socket);
    }
    if (watched == NULL) {
        return -1;
    }
    int events = 0;
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    return uv_poll_start(&watched->poll, events, on_socket) == 0 ? 0 : -1;
}

/* ---- the beginning ---- */

static bool add_header(struct http_client *client, const char *line) {
    struct curl_slist *longer = curl_slist_append(client->headers, line);
    client->headers = longer != NULL ? longer : client->headers;
    return longer != NULL;
}

struct http_client *http_client_create(struct muster_plugin *plugin, const struct muster_host *host,
                                       struct http_settings *settings,
                                       void (*finished)(void *context, CURL *easy, CURLcode code),
                                       void (*closed)(void *context, struct http_client *client),
                                       void *context) {
    struct http_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        http_settings_destroy(&settings);
        return NULL;
    }
    *client = (struct http_client){.plugin = plugin,
                                   .host = host,
                                   .settings = settings,
                                   .finished = finished,
                                   .closed = closed,
                                   .context = context};
    client->multi = curl_multi_init();
    if (client->multi == NULL || !add_header(client, "Content-Type: application/json") ||
        !add_header(client, "Accept: application/json") || !add_header(client, "Expect:") ||
        (settings->authorization != NULL && !add_header(client, settings->authorization)) ||
        uv_timer_init(host->loop(plugin), &client->timer) != 0) {
        curl_multi_cleanup(client->multi);
        free_client(client);
        return NULL;
    }
    client->timer.data = client;
    client->handles = 1;
    host->hold(plugin, "timer");
    long most = (long)settings->max_concurrent;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS,
                      most < IDLE_CONNECTIONS_MAX ? most : IDLE_CONNECTIONS_MAX);
    return client;
}

const struct http_settings *http_client_settings(const struct http_client *client) {
    return client->settings;
}

/* ---- transfers ---- */

static CURLcode set_blob(CURL *easy, CURLoption option, const struct http_pem *pem) {
    struct curl_blob blob = {pem->data, pem->length, CURL_BLOB_NOCOPY}; /* the client outlives it */
    return pem->data != NULL ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

static bool set_tls(CURL *easy, const struct http_settings *settings) {
    return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           (settings->trust == NULL || http_trust_use(easy, settings->trust)) &&
           set_blob(easy, CURLOPT_SSLCERT_BLOB, &settings->client_cert) == CURLE_OK &&
           set_blob(easy, CURLOPT_SSLKEY_BLOB, &settings->client_key) == CURLE_OK;
}

/* What would let somebody else than the operator say where questions go, or how. */
static bool set_bounds(CURL *easy, const struct http_settings *settings) {
    return curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && /* the environment's is off */
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)settings->max_response) ==
               CURLE_OK;
}

CURL *http_client_prepare(struct http_client *client) {
    CURL *easy = curl_easy_init();
    if (easy == NULL) {
        return NULL;
    }
    /* A name that is still looked up when its time is over is left to its thread: without this, the
     * loop would wait for the thread. Not all versions know it, and it is no reason to refuse. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    if (curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers) != CURLE_OK ||
        !set_bounds(easy, client->settings) || !set_tls(easy, client->settings)) {
        curl_easy_cleanup(easy);
        return NULL;
    }
    return easy;
}

bool http_client_send(struct http_client *client, CURL *easy) {
    if (curl_multi_add_handle(client->multi, easy) != CURLM_OK) {
        return false;
    }
    client->transfers++;
    return true;
}

void http_client_drop(struct http_client *client, CURL *easy) {
    curl_multi_remove_handle(client->multi, easy);
    curl_easy_cleanup(easy);
    client->transfers--;
    close_if_over(client);
}
