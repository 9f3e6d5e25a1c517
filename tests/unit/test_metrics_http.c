/* What the listener of metrics takes for a request, and what it answers. */
#include "lib/test.h"

#include <string.h>

#include "metrics/http.h"

#define LOCAL "Host: 127.0.0.1:9411\r\n"

static void requests_are_judged(void **state) {
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        {"GET /metrics HTTP/1.1\r\n" LOCAL "\r\n", 200},
        {"GET /metrics?x=1 HTTP/1.1\r\nAccept: a/b\r\nhost:localhost\r\n\r\n", 200},
        {"HEAD /healthz HTTP/1.1\r\nHost: [::1]:9411\r\n\r\n", 200},
        {"GET /readyz HTTP/1.0\r\n\r\n", 200},
        {"GET /metrics HTTP/1.1\r\nHost: LOCALHOST \r\n\r\n", 200},
        {"GET /metrics HTTP/1.1\r\nHost: 127.9.0.1\r\n\r\n", 200},
        /* not whole */
        {"", 0},
        {"GET /metrics HTTP/1.1\r\n" LOCAL "\r", 0},
        {"GET /metrics HTTP/1.1\n\n", 0},
        /* no request of ours */
        {"GET / HTTP/1.1\r\n" LOCAL "\r\n", 404},
        {"GET /metrics/ HTTP/1.1\r\n" LOCAL "\r\n", 404},
        {"GET /metric HTTP/1.1\r\n" LOCAL "\r\n", 404},
        {"GET /%6detrics HTTP/1.1\r\n" LOCAL "\r\n", 404},
        {"POST /metrics HTTP/1.1\r\n" LOCAL "\r\n", 405},
        {"get /metrics HTTP/1.1\r\n" LOCAL "\r\n", 405},
        {"GET /metrics HTTP/2.0\r\n" LOCAL "\r\n", 505},
        /* no request at all */
        {"\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /metrics\r\n\r\n", 400},
        {"GET  /metrics HTTP/1.1\r\n" LOCAL "\r\n", 400},
        {"GET http://127.0.0.1/metrics HTTP/1.1\r\n" LOCAL "\r\n", 400},
        {"GET /metrics HTTP/1.1 \r\n" LOCAL "\r\n", 400},
        {"GET /metrics ICAP/1.1\r\n" LOCAL "\r\n", 400},
        {"GET /metrics HTTP/1.1\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\n" LOCAL LOCAL "\r\n", 400},
        {"GET /metrics HTTP/1.1\r\n" LOCAL "a\001b: c\r\n\r\n", 400},
        {"GET /metrics HTTP/1.1\r\n" LOCAL "a: b\nc: d\r\n\r\n", 400},
        {"SEVENTEEN-LETTERS /metrics HTTP/1.1\r\n" LOCAL "\r\n", 400},
        /* a name that leads here */
        {"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
        {"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example:9411\r\n\r\n", 421},
        {"GET /metrics HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 421},
        {"GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:9411\r\n\r\n", 421},
        {"GET /metrics HTTP/1.1\r\nHost:\r\n\r\n", 421},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mu_http_request request = {0};
        size_t length = strlen(cases[i].text);
        unsigned status = mu_http_read(cases[i].text, length, false, &request);
        if (status != cases[i].status) {
            fail_msg("%u instead of %u for: %s", status, cases[i].status, cases[i].text);
        }
        for (size_t part = 0; part < length && status == 200; part++) {
            assert_int_equal(mu_http_read(cases[i].text, part, false, &request), 0);
        }
    }
}

static void paths_and_methods_are_told(void **state) {
    struct mu_http_request request = {0};
    static const char head[] = "HEAD /readyz HTTP/1.1\r\nHost: any.example\r\n\r\n";
    (void)state;
    assert_int_equal(mu_http_read(head, sizeof head - 1, true, &request), 200);
    assert_int_equal(request.path, MU_HTTP_READYZ);
    assert_true(request.head);
}

static void a_request_has_a_bound(void **state) {
    static char text[MU_HTTP_REQUEST_MAX];
    struct mu_http_request request = {0};
    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(mu_http_read(text, sizeof text - 1, false, &request), 0);
    assert_int_equal(mu_http_read(text, sizeof text, false, &request), 431);
    memset(text, 0, sizeof text); /* bytes of no text at all */
    memcpy(text + 8, "\r\n\r\n", 4);
    assert_int_equal(mu_http_read(text, 12, false, &request), 400);
}

static void answers_are_whole(void **state) {
    struct mu_buffer out;
    (void)state;
    mu_buffer_init(&out, 0);
    assert_true(mu_http_answer(&out, 405, false, "no\n", 3));
    assert_non_null(strstr(out.data, "HTTP/1.1 405 Method Not Allowed\r\n"));
    assert_non_null(strstr(out.data, "Content-Length: 3\r\n"));
    assert_non_null(strstr(out.data, "Allow: GET, HEAD\r\n"));
    assert_non_null(strstr(out.data, "Connection: close\r\n\r\nno\n"));
    mu_buffer_clear(&out);
    assert_true(mu_http_answer(&out, 200, true, "ok\n", 3));
    assert_non_null(strstr(out.data, "Content-Length: 3\r\n"));
    assert_null(strstr(out.data, "ok\n"));
    mu_buffer_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_judged),
        cmocka_unit_test(paths_and_methods_are_told),
        cmocka_unit_test(a_request_has_a_bound),
        cmocka_unit_test(answers_are_whole),
    };
    return cmocka_run_group_tests_name("metrics_http", tests, NULL, NULL);
}
