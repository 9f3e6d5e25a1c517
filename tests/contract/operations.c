/* operations.c - every operation and every read, answered as at the other doors. */
#include "contract/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/test.h"
#include "registry/operations.h"

/* Numbers that no double holds, an empty list, white space: whoever decodes it breaks it. */
#define PROFILE "{\"n\": 9007199254740993, \"e\":[ ], \"f\":1.10, \"t\":\"\\u00e4\"}"

struct step {
    const char *operation;
    const char *texts[10];
    const char *pattern;
};

/* Every operation that writes, in an order in which each succeeds. */
static const struct step steps[] = {
    {"START",
     {"a", "x1", "{\"zone\":\"eu\"}"},
     "{'instance':'a','incarnation':'x1','state':'up','epoch':'#int','generation':'#str',"
     "'heartbeat_ms':1000}"},
    {"HEARTBEAT",
     {"a", "x1"},
     "{'instance':'a','state':'up','draining':false,'epoch':'#int','generation':'#str',"
     "'heartbeat_ms':1000}"},
    {"REGISTER",
     {"c1", "a", "x1", "{\"user\":\"u1\"}", "{\"v\":1}"},
     "{'connection':'c1','registered':true}"},
    {"ENTER",
     {"r1", "c2", "a", "x1", "{\"user\":\"u2\",\"resume\":\"secret\"}", PROFILE},
     "{'session':'r1','connection':'c2','joined':true,'gen':'#str','seq':'#int','leader':'c2',"
     "'term':'#int','count':1}"},
    {"JOIN",
     {"r1", "c1", "a", "x1"},
     "{'session':'r1','connection':'c1','joined':true,'gen':'#str','seq':'#int','leader':'c2',"
     "'term':'#int','count':2}"},
    {"UPDATE", {"c1", "a", "x1", "{\"v\":2}"}, "{'connection':'c1','updated':true,'sessions':1}"},
    {"TOUCH", {"a", "x1", "c1", "c9"}, "{'touched':1,'unknown':['c9']}"},
    {"CONFIGURE",
     {"r1", "{\"limit\":50}", "{\"topic\":\"x\"}"},
     "{'session':'r1','limit':50,'keep':false}"},
    {"PROMOTE",
     {"r1", "c1"},
     "{'session':'r1','leader':'c1','previous':'c2','term':'#int','seq':'#int'}"},
    {"DISCONNECT", {"c2", "a", "x1", "60000"}, "{'connection':'c2','away':true,'until':'#int'}"},
    {"RESUME",
     {"c7", "a", "x1", "c2", "a:x1", "secret", "{\"user\":\"u2\"}", PROFILE},
     "{'connection':'c7','resumed':'c2','sessions':['r1']}"},
    {"KICK",
     {"r1", "c7", "rude"},
     "{'session':'r1','connection':'c7','left':true,'seq':'#int','leader':'c1','term':'#int',"
     "'count':1}"},
    {"LEAVE",
     {"r1", "c1", "a", "x1"},
     "{'session':'r1','connection':'c1','left':true,'seq':'#int','leader':null,'term':'#int',"
     "'count':0}"},
    {"UNREGISTER", {"c1", "a", "x1"}, "{'connection':'c1','unregistered':true,'sessions':[]}"},
    {"DRAIN", {"a", "x1", "on"}, "{'instance':'a','draining':true,'connections':1}"},
    {"ORDER", {"brake-release"}, "{'order':'brake-release','engaged':false}"},
    {"STOP", {"a", "x1"}, "{'instance':'a','stopped':true,'connections':1}"},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static void expect(struct mt_stand *stand, const struct step *step, const char *json) {
    const json_t *value = mt_parsed(stand, json);
    json_t *pattern = mt_json_pattern("%s", step->pattern);
    char where[300];
    if (!mt_json_matches(value, pattern, where, sizeof where))
        mt_fail(stand->world, "%s: %s in %s", step->operation, where, json);
    json_decref(pattern);
}

void mt_case_every_operation(void **state) {
    struct mt_stand *stand = *state;
    bool seen[MUSTER_OPERATIONS] = {false};
    size_t left = 0;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    for (size_t i = 0; i < STEPS; i++) {
        const struct step *step = &steps[i];
        expect(stand, step,
               mt_ask_at(stand, client, __FILE__, __LINE__, step->operation, step->texts));
        for (size_t o = 0; o < MUSTER_OPERATIONS; o++)
            seen[o] |= strcmp(mu_operations[o].name, step->operation) == 0;
    }
    for (size_t o = 0; o < MUSTER_OPERATIONS; o++)
        left += mu_operations[o].writes && !seen[o];
    assert_int_equal(left, 0); /* an operation was added: give it a step */
    stand->door->close(&client);
    mt_fsck(stand->world, stand->server);
}

/* The door's answer to a repeated call and the functions' own, be it good or bad, are one text. */
static void compare_repeated(struct mt_stand *stand, struct mt_client *client,
                             const struct step *step) {
    bool refused = false;
    const char *there = mt_fcall(stand, step->operation, step->texts, &refused);
    struct mt_answer answer = {0};
    char here[1024];
    mt_await(stand, client, mt_post(stand, client, step->operation, step->texts), &answer);
    if (answer.status == MUSTER_OK)
        snprintf(here, sizeof here, "%s", answer.json);
    else
        snprintf(here, sizeof here, "%s %s", muster_status_code(answer.status), answer.message);
    if (refused != (answer.status != MUSTER_OK) || strcmp(here, there) != 0)
        mt_fail(stand->world, "%s repeated: the door says %s, the function %s", step->operation,
                here, there);
    mt_answer_deinit(&answer);
}

void mt_case_repeated_calls(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    for (size_t i = 0; i < STEPS; i++) {
        mt_ask_at(stand, client, __FILE__, __LINE__, steps[i].operation, steps[i].texts);
        compare_repeated(stand, client, &steps[i]);
    }
    stand->door->close(&client);
}

/* ---- reads ---- */

static const struct step reads[] = {
    {"MEMBERS",
     {"r1"},
     "{'session':'r1','gen':'#str','seq':'#int','leader':'c1','term':'#int','count':2,"
     "'members':'#array','cursor':'0'}"},
    {"MEMBERS",
     {"nowhere"},
     "{'session':'nowhere','gen':'#any','seq':'#any','leader':null,'term':'#any','count':0,"
     "'members':[],'cursor':'0'}"},
    {"USERS",
     {"r1"},
     "{'session':'r1','gen':'#str','seq':'#int','leader':'c1','term':'#int','count':2,"
     "'anonymous':1,'users':[{'user':'u2','connections':['c2'],'profile':'#object'}],"
     "'cursor':'0'}"},
    {"COUNT", {"r1"}, "2"},
    {"COUNT", {"r1", "nowhere"}, "[2,0]"},
    {"ISMEMBER", {"r1", "c1"}, "1"},
    {"ISMEMBER", {"r1", "c9"}, "0"},
    {"LEADER", {"r1"}, "{'session':'r1','leader':'c1','term':'#int'}"},
    {"LEADER", {"nowhere"}, "{'session':'nowhere','leader':null,'term':'#any'}"},
    {"CHECK", {"r1", "1"}, "0"},
    {"SESSION",
     {"r1"},
     "{'session':'r1','count':2,'users':1,'anonymous':1,'leader':'c1','term':'#int','seq':'#int',"
     "'limit':null,'keep':false,'opened_at':'#int','meta':'#object'}"},
    {"SESSIONS",
     {NULL},
     "{'sessions':[{'session':'r1','count':2,'leader':'c1','opened_at':'#int','meta':'#object',"
     "'#more':0}],'cursor':'0'}"},
    {"CONNECTION",
     {"c2", "a"},
     "{'connection':'c2','instance':'a','incarnation':'x1','user':'u2','profile':'#object',"
     "'sessions':['r1'],'connected_at':'#int','away_until':null}"},
    {"CONNECTION", {"c2"}, "{'connection':'c2','instance':'a','#more':0}"},
    {"INSTANCE",
     {"a"},
     "{'instance':'a','incarnation':'x1','state':'up','draining':false,'started_at':'#int',"
     "'last_heartbeat':'#int','connections':2,'leads':1,'meta':{'zone':'eu'}}"},
    {"STATUS",
     {NULL},
     "{'namespace':'t','version':'#str','redis':'#object','generation':'#str','epoch':'#int',"
     "'coordinator':'#object','daemons':'#array','instances':{'up':1,'suspect':0,'draining':0},"
     "'sessions':1,'connections':2,'ghosts':0,'brake':false,'#more':0}"},
};

void mt_case_every_read(void **state) {
    struct mt_stand *stand = *state;
    mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", NULL);
    mt_ask(stand, client, "START", "a", "x1", "{\"zone\":\"eu\"}");
    mt_ask(stand, client, "ENTER", "r1", "c1", "a", "x1");
    mt_ask(stand, client, "ENTER", "r1", "c2", "a", "x1", "{\"user\":\"u2\"}", PROFILE);
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        expect(stand, &reads[i],
               mt_ask_at(stand, client, __FILE__, __LINE__, reads[i].operation, reads[i].texts));
    const char *list = mt_ask(stand, client, "INSTANCES", NULL);
    if (strstr(list, "\"instance\":\"a\"") == NULL)
        mt_fail(stand->world, "INSTANCES does not name a: %s", list);
    /* Nobody on the way has decoded a profile. */
    static const char *const showing[][4] = {
        {"MEMBERS", "r1", NULL}, {"USERS", "r1", NULL}, {"CONNECTION", "c2", "a", NULL}};
    for (size_t i = 0; i < 3; i++) {
        const char *json =
            mt_ask_at(stand, client, __FILE__, __LINE__, showing[i][0], &showing[i][1]);
        if (strstr(json, PROFILE) == NULL)
            mt_fail(stand->world, "%s: the profile changed its bytes: %s", showing[i][0], json);
    }
    char term[32];
    const json_t *leader = mt_parsed(stand, mt_ask(stand, client, "LEADER", "r1"));
    snprintf(term, sizeof term, "%lld", mt_int(leader, "term"));
    assert_string_equal(mt_ask(stand, client, "CHECK", "r1", term), "1");
    assert_string_equal(mt_ask(stand, client, "check", "r1", term), "1"); /* in any case */
    stand->door->close(&client);
}
