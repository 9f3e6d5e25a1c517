/* What the example door bounds, and how it frames: long lines, slow readers, ends of lines in
 * profiles, tokens that do not hold. */
#include <stdlib.h>
#include <string.h>

#include "contract/doors/line.h"
#include "lib/test.h"

enum { LONG = 300 * 1024, LINES = 20000, CHUNKS = 200 };

static struct mt_client *open_client(struct mt_stand *stand, const char *token) {
    return stand->door->open(stand, "node-1", token);
}

static void long_line(void **state) {
    struct mt_stand *stand = mt_stand_create(&mt_door_line, NULL);
    (void)state;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = open_client(stand, NULL);
    char *line = malloc(LONG);
    struct mt_answer answer = {0};
    assert_non_null(line);
    memset(line, 'x', LONG);
    assert_true(stand->door->send_raw(client, line, LONG));
    while (!stand->door->receive(client, &answer)) {
    }
    assert_null(answer.id);
    assert_int_equal(answer.status, MUSTER_TOO_LARGE);
    mt_answer_deinit(&answer);
    mt_ask(stand, client, "STATUS",
           NULL); /* the rest of it was passed over, the connection goes on */
    stand->door->close(&client);
    free(line);
    mt_stand_destroy(&stand);
}

static void end_of_line_in_profile(void **state) {
    struct mt_stand *stand = mt_stand_create(&mt_door_line, NULL);
    (void)state;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = open_client(stand, NULL);
    mt_ask(stand, client, "START", "node-1", "k1");
    mt_ask(stand, client, "ENTER", "room", "c1", "node-1", "k1", "{}", "{\"a\":\n1}");
    assert_non_null(strstr(mt_ask(stand, client, "MEMBERS", "room"), "{\"a\": 1}"));
    stand->door->close(&client);
    mt_stand_destroy(&stand);
}

/* One that does not read is closed; others do not notice. */
static void slow_reader(void **state) {
    struct mt_stand *stand = mt_stand_create(&mt_door_line, NULL);
    (void)state;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *slow = open_client(stand, NULL);
    struct mt_client *other = open_client(stand, NULL);
    char *lines = malloc(2 * LINES);
    unsigned chunks = 0;
    assert_non_null(lines);
    for (size_t i = 0; i < LINES; i++)
        memcpy(lines + 2 * i, "?\n", 2); /* no JSON: each is answered at once */
    while (chunks < CHUNKS && stand->door->send_raw(slow, lines, 2 * LINES))
        chunks++;
    assert_true(chunks < CHUNKS);
    mt_ask(stand, other, "STATUS", NULL);
    stand->door->close(&slow);
    stand->door->close(&other);
    free(lines);
    mt_stand_destroy(&stand);
}

/* A token that does not hold takes the one before with it. */
static void lost_identity(void **state) {
    static const char intruder[] = "{\"id\":\"x\",\"op\":\"STATUS\",\"token\":\"intruder\"}";
    struct mt_stand *stand = mt_stand_create(&mt_door_line, NULL);
    struct mt_answer answer = {0};
    (void)state;
    mt_stand_lead(stand, "daemon", true);
    struct mt_client *client = open_client(stand, "operator");
    mt_ask(stand, client, "STATUS", NULL);
    mt_ask(stand, client, "STATUS", NULL); /* without its token */
    assert_true(stand->door->send_raw(client, intruder, sizeof intruder - 1));
    mt_await(stand, client, "x", &answer);
    assert_int_not_equal(answer.status, MUSTER_OK);
    mt_answer_deinit(&answer);
    static const char plain[] = "{\"id\":\"y\",\"op\":\"STATUS\"}";
    assert_true(stand->door->send_raw(client, plain, sizeof plain - 1));
    mt_await(stand, client, "y", &answer);
    assert_int_equal(answer.status, MUSTER_DENIED);
    mt_answer_deinit(&answer);
    stand->door->close(&client);
    mt_stand_destroy(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_line),
        cmocka_unit_test(end_of_line_in_profile),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(lost_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
