/* errors.c - what is wrong with a request, and what the functions refuse. */
#include "contract/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

enum { PROFILE_MAX = 4096, LONG_ID = 129 };

void mt_case_faulty_requests(void **state) {
    struct mt_stand *stand = *state;
    char id[LONG_ID + 1];
    memset(id, 'x', LONG_ID);
    id[LONG_ID] = '\0';
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1");

    mt_turned_down(stand, client, MUSTER_BAD_REQUEST, "FROBNICATE", "a");
    mt_turned_down(stand, client, MUSTER_BAD_REQUEST, "STARTS", "a", "x1");
    mt_turned_down(stand, client, MUSTER_BAD_REQUEST, "HEARTBEAT", "a");
    mt_turned_down(stand, client, MUSTER_BAD_REQUEST, "HEARTBEAT", "a", "x1", "more");
    mt_turned_down(stand, client, MUSTER_BAD_REQUEST, "LEADER", NULL);
    mt_turned_down(stand, client, MUSTER_BAD_REQUEST, "STATUS", "more");

    mt_turned_down(stand, client, MUSTER_BAD_ID, "LEADER", "");
    mt_turned_down(stand, client, MUSTER_BAD_ID, "LEADER", "a b");
    mt_turned_down(stand, client, MUSTER_BAD_ID, "LEADER", "a/b");
    mt_turned_down(stand, client, MUSTER_BAD_ID, "LEADER", "\xc3\xa4");
    mt_turned_down(stand, client, MUSTER_BAD_ID, "LEADER", id);
    mt_turned_down(stand, client, MUSTER_BAD_ID, "ISMEMBER", "r1", "c{1}");
    mt_turned_down(stand, client, MUSTER_BAD_ID, "ENTER", "r1", "c:1", "a", "x1");
    id[LONG_ID - 1] = '\0';
    mt_ask(stand, client, "LEADER", id);

    mt_turned_down(stand, client, MUSTER_BAD_JSON, "ENTER", "r1", "c1", "a", "x1", "[1]");
    mt_turned_down(stand, client, MUSTER_BAD_JSON, "ENTER", "r1", "c1", "a", "x1", "", "nonsense");
    /* An empty text stands for none. */
    mt_ask(stand, client, "ENTER", "r1", "c1", "a", "x1", "", "");
    stand->door->close(&client);
    mt_fsck(stand->world, stand->server);
}

void mt_case_refused_requests(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_turned_down(stand, client, MUSTER_UNKNOWN_INSTANCE, "HEARTBEAT", "a", "x1");
    mt_ask(stand, client, "START", "a", "x1");
    mt_turned_down(stand, client, MUSTER_STALE_INCARNATION, "HEARTBEAT", "a", "x0");
    mt_turned_down(stand, client, MUSTER_UNKNOWN_CONNECTION, "JOIN", "r1", "c1", "a", "x1");
    mt_turned_down(stand, client, MUSTER_UNKNOWN_SESSION, "SESSION", "r1");
    mt_turned_down(stand, client, MUSTER_UNKNOWN_CONNECTION, "CONNECTION", "c1");
    mt_turned_down(stand, client, MUSTER_UNKNOWN_INSTANCE, "INSTANCE", "b");
    mt_ask(stand, client, "ENTER", "r1", "c1", "a", "x1", "{\"limit\":1}");
    const char *sentence = mt_turned_down(stand, client, MUSTER_SESSION_FULL, "ENTER", "r1", "c2",
                                          "a", "x1", "{\"limit\":1}");
    bool refused = false;
    const char *there =
        mt_fcall(stand, "ENTER",
                 (const char *const[]){"r1", "c2", "a", "x1", "{\"limit\":1}", NULL}, &refused);
    assert_true(refused);
    assert_string_equal(sentence, there + sizeof "SESSION_FULL");
    mt_ask(stand, client, "ENTER", "r2", "c1", "a", "x1");
    mt_ask(stand, client, "ENTER", "r2", "c2", "a", "x1");
    mt_turned_down(stand, client, MUSTER_STALE_TERM, "PROMOTE", "r2", "c2", "1");
    mt_turned_down(stand, client, MUSTER_NOT_MEMBER, "PROMOTE", "r1", "c9");
    stand->door->close(&client);
}

/* A profile of exactly so many bytes. */
static char *profile_of(size_t size) {
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, "{\"p\":\"", 6);
    memcpy(text + size - 2, "\"}", 3);
    return text;
}

void mt_case_large_arguments(void **state) {
    struct mt_stand *stand = *state;
    enum { MANY = 250 };
    const char *texts[MANY + 3] = {"a", "x1"};
    char ids[MANY][8];
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1");

    char *fits = profile_of(PROFILE_MAX);
    mt_ask(stand, client, "ENTER", "r1", "c1", "a", "x1", "", fits);
    if (strstr(mt_ask(stand, client, "MEMBERS", "r1"), fits) == NULL)
        mt_fail(stand->world, "the largest profile was not stored as it was sent");
    free(fits);
    static const size_t sizes[] = {PROFILE_MAX + 1, 60000};
    for (size_t i = 0; i < 2; i++) {
        char *large = profile_of(sizes[i]);
        mt_turned_down(stand, client, MUSTER_TOO_LARGE, "UPDATE", "c1", "a", "x1", large);
        free(large);
    }
    for (size_t i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof ids[i], "m%zu", i);
        texts[i + 2] = ids[i];
    }
    mt_expect(mt_parsed(stand, mt_ask_at(stand, client, __FILE__, __LINE__, "TOUCH", texts)),
              "{'touched':0,'unknown':'#array'}");
    stand->door->close(&client);
}

void mt_case_strange_bytes(void **state) {
    struct mt_stand *stand = *state;
    static const char *const rubbish[] = {
        "rubbish",
        "{",
        "[]",
        "\"text\"",
        "null",
        "{\"id\":\"1\"}",
        "{\"id\":1,\"op\":2,\"args\":3}",
        "{\"id\":\"1\",\"id\":\"2\",\"op\":\"STATUS\",\"args\":[]}",
        "{\"id\":\"1\",\"op\":\"LEADER\",\"args\":[\"r\xff\"]}",
        "\xff\xfe\xfd",
        "{\"id\":\"\xed\xa0\x80\"}",
        " ",
    };
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1");
    for (size_t i = 0; i < sizeof rubbish / sizeof rubbish[0]; i++) {
        if (stand->door->send_raw != NULL)
            (void)stand->door->send_raw(client, rubbish[i], strlen(rubbish[i]));
        /* Whatever was said to that, good requests are answered. */
        mt_ask_until(stand, client, "LEADER", (const char *const[]){"r1", NULL});
    }
    /* A profile that is no UTF-8 is stored nowhere. */
    struct mt_argument arguments[] = {
        mt_argument("r1"), mt_argument("c1"), mt_argument("a"),
        mt_argument("x1"), mt_argument(""),   mt_argument("{\"p\":\"\xff\"}"),
    };
    struct mt_request request = {
        .id = "strange", .operation = "ENTER", .arguments = arguments, .count = 6};
    mt_post_request(stand, client, &request);
    mt_ask_until(stand, client, "LEADER", (const char *const[]){"r1", NULL});
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "session:r1"), 0);
    stand->door->close(&client);
}
