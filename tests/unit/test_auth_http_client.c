/* A name that is looked up for long: the loop must not wait for the thread that does it. */
#include "lib/test.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_http/client.h"
#include "lib/loop.h"

/* ---- a resolver that hangs until it is let go; it takes the place of libc's ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool asked;
static bool let_go;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result) {
    (void)name;
    (void)service;
    (void)hints;
    (void)result;
    pthread_mutex_lock(&lock);
    asked = true;
    while (!let_go)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return EAI_FAIL;
}

static bool is_asked(void) {
    pthread_mutex_lock(&lock);
    bool result = asked;
    pthread_mutex_unlock(&lock);
    return result;
}

static unsigned long threads(void) {
    unsigned long count = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    assert_non_null(file);
    while (count == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Threads:", 8) == 0)
            count = strtoul(line + 8, NULL, 10);
    fclose(file);
    return count;
}

/* ---- a host ---- */

static struct mt_loop *loop;
static int held;

static struct uv_loop_s *host_loop(struct muster_plugin *plugin) {
    (void)plugin;
    return mt_loop_uv(loop);
}

static void host_hold(struct muster_plugin *plugin, const char *what) {
    (void)plugin;
    (void)what;
    held++;
}

static void host_release(struct muster_plugin *plugin, const char *what) {
    (void)plugin;
    (void)what;
    held--;
}

static const struct muster_host host = {
    .size = sizeof host, .loop = host_loop, .hold = host_hold, .release = host_release};

static struct http_client *client;
static int finished;
static int closed;

static void on_finished(void *context, CURL *easy, CURLcode code) {
    (void)context;
    assert_int_equal(code, CURLE_OPERATION_TIMEDOUT);
    http_client_drop(client, easy);
    finished++;
}

static void on_closed(void *context, struct http_client *gone) {
    (void)context;
    assert_ptr_equal(gone, client);
    closed++;
}

static struct http_client *make_client(void) {
    struct http_settings *settings = calloc(1, sizeof *settings);
    assert_non_null(settings);
    settings->connect_timeout_ms = 60000;
    settings->max_concurrent = 4;
    settings->max_response = 1000;
    return http_client_create(NULL, &host, settings, on_finished, on_closed, NULL);
}

static CURL *make_transfer(long timeout_ms) {
    CURL *easy = http_client_prepare(client);
    assert_non_null(easy);
    curl_easy_setopt(easy, CURLOPT_URL, "http://slow.test/");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "{}");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    assert_true(http_client_send(client, easy));
    return easy;
}

static void test_slow_name(void **state) {
    unsigned long before = threads();
    (void)state;
    alarm(60 * mt_slowness()); /* what this is about would block for ever */
    assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    loop = mt_loop_create(NULL);
    client = make_client();
    assert_non_null(client);
    make_transfer(50);
    MT_SPIN(loop, finished == 1, "the end of its time");
    assert_true(is_asked());
    /* Aborting one does not wait either. */
    CURL *easy = make_transfer(60000);
    MT_SPIN(loop, threads() >= before + 2, "another thread that looks up the name");
    http_client_drop(client, easy);
    http_client_retire(client);
    MT_SPIN(loop, closed == 1, "the end of the client");
    assert_int_equal(held, 0);
    mt_loop_destroy(&loop);
    pthread_mutex_lock(&lock);
    let_go = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    MT_WAIT(NULL, threads() == before, "the end of the threads");
    curl_global_cleanup();
    alarm(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slow_name)};
    return cmocka_run_group_tests_name("auth_http_client", tests, NULL, NULL);
}
