/* `musterctl flush-decisions` reaches every daemon, whether it coordinates or not. */
#include "lib/test.h"

#include <stdlib.h>

#include "lib/cluster.h"

static void test_every_daemon(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create(MT_SERVER_VOLATILE, NULL);
    struct mt_process *other =
        mt_daemon_start(c->world, "other", &(struct mt_daemon_options){.server = c->server});
    char *text = NULL;
    mt_daemon_await(other, "lease.standby");
    MT_WAIT(c->world, mt_integer(c->redis, "PUBLISH " MT_NS "signal {\"signal\":\"nothing\"}") == 2,
            "both to listen");
    assert_int_equal(
        mt_ctl(c->world, c->server, (const char *const[]){"flush-decisions", "--yes", NULL}, &text),
        0);
    assert_string_equal(text, "2 daemons told\n");
    free(text);
    mt_daemon_await(c->daemon, "auth.flushed");
    mt_daemon_await(other, "auth.flushed");
}

static void test_nobody(void **state) {
    struct mt_cluster *c = *state = mt_cluster_create_bare(MT_SERVER_VOLATILE);
    assert_int_equal(
        mt_ctl(c->world, c->server, (const char *const[]){"flush-decisions", "--yes", NULL}, NULL),
        1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_daemon, mt_cluster_tear_down),
        cmocka_unit_test_teardown(test_nobody, mt_cluster_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
