/* auth_rules keeps the contract of authorizers. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_rules/token.h"
#include "contract/authorizers/authority.h"

enum { DESK, BLOCKED, IDLE, ADA, TOKENS };
static const char *const names[TOKENS] = {"desk", "blocked", "idle", "ada"};

/* Made once: they say who asks in every case. */
static char tokens[TOKENS][RULES_TOKEN_SIZE];
static char hashes[TOKENS][RULES_HASH_TEXT_SIZE];

static void make_tokens(void) {
    for (size_t i = 0; i < TOKENS; i++) {
        struct rules_token token;
        struct rules_hash hash;
        assert_true(rules_token_make(names[i], tokens[i]));
        assert_true(rules_token_split(tokens[i], strlen(tokens[i]), &token));
        assert_true(rules_hash_make(token.secret, &hash));
        rules_hash_print(&hash, hashes[i]);
    }
}

static const char *const *settings(struct mt_stand *stand) {
    static const char *texts[3];
    char load[2048];
    snprintf(load, sizeof load,
             "plugins.load=[%s, {name: \"" MUSTER_BUILD_DIR
             "/plugins/auth_rules.so\", config: {principals: {"
             "desk: {kind: operator, token: \"%s\"}, blocked: {kind: operator, token: \"%s\"},"
             "idle: {kind: operator, token: \"%s\"}, ada: {kind: user, token: \"%s\"}},"
             "rules: [{principal: blocked, effect: deny, reason: \"nothing for this one\"},"
             " {principal: desk, effect: allow, cache: 1m}]}}]",
             mt_authority_doors(stand), hashes[DESK], hashes[BLOCKED], hashes[IDLE], hashes[ADA]);
    texts[0] = mt_keep_text(stand, strdup(load));
    texts[1] = "authorization.chain=[auth_rules]";
    return texts;
}

static struct mt_asker asker(struct mt_stand *stand, enum mt_says says, const char *instance) {
    static const char *const of[MT_SAYS] = {
        [MT_ALLOWED] = tokens[DESK], [MT_DENIED] = tokens[BLOCKED], [MT_UNDECIDED] = tokens[IDLE]};
    (void)stand;
    (void)instance;
    return (struct mt_asker){of[says] != NULL, of[says], NULL}; /* it decides at once */
}

static const char *credential(struct mt_stand *stand, enum mt_says says) {
    (void)stand;
    return says == MT_ALLOWED ? tokens[ADA] : tokens[DESK]; /* an operator is no end user */
}

int main(void) {
    const struct mt_authority authority = {
        .name = "auth_rules",
        .plugin = "auth_rules",
        .reason = "nothing for this one",
        .settings = settings,
        .asker = asker,
        .credential = credential,
        .user = "ada",
    };
    make_tokens();
    return mt_authority_run(&authority);
}
