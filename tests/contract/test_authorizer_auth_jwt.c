/* auth_jwt keeps the contract of authorizers, as far as it decides: about sessions, for tokens that
 * name some. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract/authorizers/authority.h"
#include "tokens/tokens.h"

static struct mt_signer *signer;

static void write_keys(const char *path) {
    char *keys = mt_jwks(mt_signer_jwk(signer, NULL), NULL);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(keys, file);
    assert_int_equal(fclose(file), 0);
    free(keys);
}

static const char *const *settings(struct mt_stand *stand) {
    static const char *texts[3];
    const char *path = mt_world_path(stand->world, "keys.json");
    char load[2048];
    write_keys(path);
    snprintf(load, sizeof load,
             "plugins.load=[%s, {name: \"" MUSTER_BUILD_DIR
             "/plugins/auth_jwt.so\", config: {algorithms: [ES256], jwks: \"%s\","
             " claims: {user: sub, kind: kind, sessions: sessions},"
             " actions: [session.enter, session.lead, session.read, session.promote,"
             " session.kick, session.configure, events.subscribe]}}]",
             mt_authority_doors(stand), path);
    texts[0] = mt_keep_text(stand, strdup(load));
    texts[1] = "authorization.chain=[auth_jwt]";
    return texts;
}

/* `more`: further claims. */
static const char *token(struct mt_stand *stand, const char *sub, long from_now, const char *more) {
    return mt_keep_text(stand, mt_token(signer, "{\"sub\":\"%s\",\"exp\":%ld%s}", sub,
                                        (long)time(NULL) + from_now, more));
}

static struct mt_asker asker(struct mt_stand *stand, enum mt_says says, const char *instance) {
    static const char *const more[MT_SAYS] = {
        [MT_ALLOWED] = ",\"kind\":\"operator\",\"sessions\":[\"*\"]",
        [MT_DENIED] = ",\"kind\":\"operator\",\"sessions\":[\"others-*\"]",
        [MT_UNDECIDED] = ",\"kind\":\"operator\"",
    };
    (void)instance;
    if (more[says] == NULL) /* it decides at once */
        return (struct mt_asker){0};
    return (struct mt_asker){true, token(stand, "desk", 300, more[says]), NULL};
}

/* Those about a session. */
static bool covers(enum muster_operation operation) {
    return strchr(mu_operations[operation].arguments, 's') != NULL;
}

static const char *credential(struct mt_stand *stand, enum mt_says says) {
    return says == MT_ALLOWED ? token(stand, "ada", 300, "") : token(stand, "ada", -300, "");
}

int main(void) {
    const struct mt_authority authority = {
        .name = "auth_jwt",
        .plugin = "auth_jwt",
        .reason = "the token does not allow session",
        .settings = settings,
        .asker = asker,
        .covers = covers,
        .credential = credential,
        .user = "ada",
    };
    signer = mt_signer_create("ES256", "k1");
    int code = mt_authority_run(&authority);
    mt_signer_destroy(&signer);
    return code;
}
