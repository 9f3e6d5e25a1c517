#include "contract/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/test.h"

void mt_jwt_write(const struct mt_jwt *jwt, char *jwks, mode_t mode) {
    char *next = mt_format("%s.next", jwt->path);
    FILE *file = fopen(next, "we");
    assert_non_null(file);
    assert_true(fputs(jwks, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(next, mode), 0);
    assert_int_equal(rename(next, jwt->path), 0);
    free(next);
    free(jwks);
}

void mt_jwt_create(struct mt_jwt *jwt, const struct mt_door *door, char *jwks, const char *more,
                   const char *fallback) {
    struct mt_stand *stand = mt_stand_create(door, NULL);
    jwt->stand = stand;
    jwt->path = mt_keep_text(stand, mt_format("%s/jwks.json", mt_world_dir(stand->world)));
    mt_jwt_write(jwt, jwks, 0600);
    jwt->set[0] = mt_keep_text(
        stand,
        mt_format("plugins.load=[{name: \"%s\", config: %s}, {name: \"%s\", config: {"
                  "jwks: \"%s\", check_interval: 10ms%s}}]",
                  door->plugin, door->config(stand, "daemon"), MT_JWT_PLUGIN, jwt->path, more));
    jwt->set[1] = "authorization.chain=[auth_jwt]";
    jwt->set[2] = mt_keep_text(stand, mt_format("authorization.default=%s", fallback));
    jwt->set[3] = NULL;
    stand->set = jwt->set;
}

void mt_jwt_destroy(struct mt_jwt *jwt) {
    mt_stand_destroy(&jwt->stand);
}

const char *mt_jwt_ask_at(const struct mt_jwt *jwt, int line, const char *token,
                          enum muster_status status, const char *operation,
                          const char *const texts[]) {
    struct mt_stand *stand = jwt->stand;
    struct mt_answer answer = {0};
    struct mt_client *client = stand->door->open(stand, "a", token);
    mt_await(stand, client, mt_post(stand, client, operation, texts), &answer);
    const char *said =
        mt_keep_text(stand, mt_format("%s", answer.message != NULL ? answer.message : answer.json));
    if (answer.status != status)
        mt_fail_at(stand->world, "test", line, "%s: %s: %s, wanted %s", operation,
                   muster_status_code(answer.status), said, muster_status_code(status));
    mt_answer_deinit(&answer);
    stand->door->close(&client);
    return said;
}
