/* The rules of the contract itself (contract_rules) keep the contract of authorizers. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/authorizers/authority.h"

static const char *gate(struct mt_stand *stand) {
    return mt_world_path(stand->world, "gate");
}

static const char *const *settings(struct mt_stand *stand) {
    static const char *texts[3];
    char load[1024];
    snprintf(load, sizeof load,
             "plugins.load=[%s, {name: \"" MT_RULES_PLUGIN "\", config: {gate: \"%s\"}}]",
             mt_authority_doors(stand), gate(stand));
    texts[0] = mt_keep_text(stand, strdup(load));
    texts[1] = "authorization.chain=[contract_rules]";
    return texts;
}

static struct mt_asker asker(struct mt_stand *stand, enum mt_says says, const char *instance) {
    static const char *const tokens[MT_SAYS] = {
        [MT_ALLOWED] = "operator", [MT_DENIED] = "denied", [MT_LATE] = "late", [MT_SLOW] = "slow"};
    (void)stand;
    (void)instance;
    return (struct mt_asker){true, tokens[says], NULL};
}

static const char *credential(struct mt_stand *stand, enum mt_says says) {
    (void)stand;
    return says == MT_ALLOWED ? "secret:x" : "refused:x";
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
        .name = "contract_rules",
        .plugin = "contract_rules",
        .reason = "nothing for this one",
        .settings = settings,
        .asker = asker,
        .credential = credential,
        .user = "u1",
        .turn = turn,
    };
    return mt_authority_run(&authority);
}
