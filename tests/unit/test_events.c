/* events: what comes in before the subscriber is up. */
#include "lib/test.h"

#include <string.h>

#include "events/events.h"
#include "lib/loop.h"

static void note(void *context, const struct muster_event *event) {
    char *heard = context;
    strncat(heard, event->payload, event->length);
}

/* Only some subscriptions stand again, so there may be a hole before it: the resync that follows
 * tells of what it said. A request is never read again. */
static void test_before_it_is_up(void **state) {
    (void)state;
    struct mt_loop *loop = mt_loop_create(NULL);
    struct mu_error error;
    struct mu_redis_address address;
    assert_int_equal(mu_redis_address_parse("unix:///nowhere/redis.sock", &address, &error),
                     MUSTER_OK);
    const struct mu_subscriber_options options = {.address = &address};
    struct mu_subscriber *subscriber = mu_subscriber_create(mt_loop_uv(loop), &options);
    struct mu_events *events = mu_events_create("m");
    char heard[64] = "";
    const struct mu_listener_hooks hooks = {.message = note, .observed = note};
    mu_events_attach(events, subscriber);
    struct mu_listener *listener = mu_events_listen(events, &hooks, heard);
    mu_events_subscribe(listener, "events:session:a");
    mu_events_subscribe_pattern(listener, "events:session:*");
    mu_events_subscribe(listener, "request");
    mu_events_message(events, NULL, "{m}:events:session:a", "event ", 6);
    mu_events_message(events, "{m}:events:session:*", "{m}:events:session:a", "event ", 6);
    mu_events_message(events, "{m}:events:*", "{m}:events:session:a", "event ", 6);
    mu_events_message(events, NULL, "{m}:request", "request", 7);
    assert_string_equal(heard, "request");
    mu_events_leave(&listener);
    mu_events_attach(events, NULL);
    mu_events_destroy(&events);
    mu_subscriber_close(&subscriber, NULL, NULL);
    mu_redis_address_deinit(&address);
    mt_loop_destroy(&loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_before_it_is_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
