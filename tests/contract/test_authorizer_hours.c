/* The example authorizer_hours keeps the contract of authorizers, as far as it decides: about who
 * enters the sessions that it is told of. Here it is closed all day. */
#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "contract/authorizers/authority.h"

static const char *const *settings(struct mt_stand *stand) {
    static const char *texts[3];
    char load[1024];
    snprintf(load, sizeof load,
             "plugins.load=[%s, {name: \"" MUSTER_BUILD_DIR "/tests/plugins/authorizer_hours.so\","
             " config: {sessions: shut, opens: \"08:00\", closes: \"08:00\"}}]",
             mt_authority_doors(stand));
    texts[0] = mt_keep_text(stand, strdup(load));
    texts[1] = "authorization.chain=[authorizer_hours]";
    return texts;
}

static struct mt_asker asker(struct mt_stand *stand, enum mt_says says, const char *instance) {
    (void)stand;
    (void)instance;
    /* It grants nothing: who is not denied is left to the default. */
    return (struct mt_asker){.possible =
                                 says == MT_DENIED || says == MT_UNDECIDED || says == MT_ALLOWED,
                             .session = says == MT_DENIED ? "shut-1" : NULL};
}

static bool covers(enum muster_operation operation) {
    return operation == MUSTER_OPERATION_ENTER || operation == MUSTER_OPERATION_JOIN;
}

int main(void) {
    const struct mt_authority authority = {
        .name = "authorizer_hours",
        .plugin = "authorizer_hours",
        .reason = "closed at this time of day",
        .settings = settings,
        .asker = asker,
        .covers = covers,
        .ignores_subscriptions = true,
    };
    return mt_authority_run(&authority);
}
