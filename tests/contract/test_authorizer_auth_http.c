/* auth_http, with a service that it asks (authorizers/service.py), keeps the contract of
 * authorizers. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/authorizers/authority.h"
#include "lib/wait.h"

#define SERVICE MUSTER_SOURCE_DIR "/tests/contract/authorizers/service.py"

static const char *gate(struct mt_stand *stand) {
    return mt_world_path(stand->world, "gate");
}

static int start_service(struct mt_stand *stand) {
    struct mt_process *service = mt_process_start(
        stand->world, "service", (const char *const[]){SERVICE, gate(stand), NULL});
    char *line = NULL;
    MT_WAIT(stand->world, (line = mt_process_next_line(service, MT_STDOUT)) != NULL,
            "the port of the service");
    int port = atoi(line);
    free(line);
    return port;
}

/* It waits for the service longer than requests may take: their deadline decides. Nothing that is
 * late here may open the breaker. */
static const char *const *settings(struct mt_stand *stand) {
    static const char *texts[3];
    char load[1024];
    int port = start_service(stand);
    snprintf(load, sizeof load,
             "plugins.load=[%s, {name: \"" MUSTER_BUILD_DIR
             "/plugins/auth_http.so\", config: {url: \"http://127.0.0.1:%d/authorize\","
             " authenticate_url: \"http://127.0.0.1:%d/authenticate\", timeout: 5m,"
             " max_concurrent: 64, max_queued: 10000, cache_max: 1h, breaker_failures: 1000}}]",
             mt_authority_doors(stand), port, port);
    texts[0] = mt_keep_text(stand, strdup(load));
    texts[1] = "authorization.chain=[auth_http]";
    return texts;
}

static struct mt_asker asker(struct mt_stand *stand, enum mt_says says, const char *instance) {
    static const char *const tokens[MT_SAYS] = {[MT_ALLOWED] = "allowed:x",
                                                [MT_DENIED] = "denied:x",
                                                [MT_UNDECIDED] = "undecided:x",
                                                [MT_LATE] = "late:x",
                                                [MT_SLOW] = "slow:x"};
    (void)stand;
    (void)instance;
    return (struct mt_asker){true, tokens[says], NULL};
}

static const char *credential(struct mt_stand *stand, enum mt_says says) {
    (void)stand;
    return says == MT_ALLOWED ? "good" : "bad";
}

static void turn(struct mt_stand *stand, struct mt_process *daemon, bool allow) {
    (void)daemon;
    if (allow)
        fclose(fopen(gate(stand), "we"));
    else
        unlink(gate(stand));
}

int main(void) {
    const struct mt_authority authority = {
        .name = "auth_http",
        .plugin = "auth_http",
        .reason = "nothing for this one",
        .settings = settings,
        .asker = asker,
        .credential = credential,
        .user = "u1",
        .turn = turn,
        .many = 150, /* each authenticates: a question to the service */
    };
    return mt_authority_run(&authority);
}
