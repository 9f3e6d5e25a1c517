#include "lib/registry.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

struct mt_registry {
    struct mt_fixture *fixture;
    struct mt_loop *loop;
    struct mu_link *link;
    struct mu_registry *registry;
    struct mt_outcome **outcomes;
    size_t outcome_count;
    json_t *kept; /* an array of what was parsed */
};

struct mt_registry *mt_registry_open(struct mt_fixture *f) {
    return mt_registry_open_with(f, (struct mu_link_options){0});
}

struct mt_registry *mt_registry_open_with(struct mt_fixture *f, struct mu_link_options options) {
    struct mt_registry *self = calloc(1, sizeof *self);
    struct mu_redis_address address;
    struct mu_error error;
    assert_non_null(self);
    self->fixture = f;
    self->loop = mt_loop_create(f->world);
    self->kept = json_array();
    if (mu_redis_address_parse(mt_server_url(f->server), &address, &error) != MUSTER_OK)
        mt_fail(f->world, "%s", error.text);
    options.address = &address;
    self->link = mu_link_create(mt_loop_uv(self->loop), &options);
    mu_redis_address_deinit(&address);
    struct mu_registry_options of = {
        .link = self->link, .name_space = MT_NAMESPACE, .version = "0.0.0-test"};
    self->registry = mu_registry_create(&of);
    MT_SPIN(self->loop, mu_link_is_open(self->link), "the link");
    return self;
}

void mt_registry_close(struct mt_registry **registry) {
    struct mt_registry *self = *registry;
    *registry = NULL;
    if (self == NULL)
        return;
    mu_link_close(&self->link, NULL, NULL);
    mt_loop_destroy(&self->loop);
    mu_registry_destroy(&self->registry);
    for (size_t i = 0; i < self->outcome_count; i++) {
        free(self->outcomes[i]->text);
        free(self->outcomes[i]);
    }
    free(self->outcomes);
    json_decref(self->kept);
    free(self);
}

struct mt_loop *mt_registry_loop(struct mt_registry *self) {
    return self->loop;
}

struct mu_registry *mt_registry_of(struct mt_registry *self) {
    return self->registry;
}

struct mu_link *mt_registry_link(struct mt_registry *self) {
    return self->link;
}

static void on_answer(void *context, const struct mu_answer *answer) {
    struct mt_outcome *outcome = context;
    assert_false(outcome->done);
    outcome->done = true;
    outcome->status = answer->status;
    if (answer->status == MUSTER_OK)
        assert_int_equal(strlen(answer->json), answer->length);
    outcome->text = strdup(answer->status == MUSTER_OK ? answer->json : answer->message);
    assert_non_null(outcome->text);
}

struct mt_outcome *mt_begin(struct mt_registry *self, enum muster_operation operation,
                            const char *const arguments[]) {
    struct muster_text texts[MUSTER_ARGUMENTS_MAX];
    struct mt_outcome *outcome = calloc(1, sizeof *outcome);
    size_t count = 0;
    assert_non_null(outcome);
    for (; arguments[count] != NULL; count++) {
        assert_true(count < MUSTER_ARGUMENTS_MAX);
        texts[count] = (struct muster_text){arguments[count], strlen(arguments[count])};
    }
    self->outcomes = realloc(self->outcomes, (self->outcome_count + 1) * sizeof *self->outcomes);
    assert_non_null(self->outcomes);
    self->outcomes[self->outcome_count++] = outcome;
    enum muster_status status =
        mu_registry_apply(self->registry, operation, count, texts, on_answer, outcome);
    assert_false(outcome->done);
    if (status != MUSTER_OK) {
        outcome->done = true;
        outcome->status = status;
        outcome->text = strdup(mu_registry_refusal(self->registry));
    }
    return outcome;
}

struct mt_outcome *mt_finish(struct mt_registry *self, struct mt_outcome *outcome) {
    MT_SPIN(self->loop, outcome->done, "an operation");
    return outcome;
}

const char *mt_apply_at(struct mt_registry *self, const char *file, int line,
                        enum muster_operation operation, const char *const arguments[]) {
    struct mt_outcome *outcome = mt_finish(self, mt_begin(self, operation, arguments));
    if (outcome->status != MUSTER_OK)
        mt_fail_at(self->fixture->world, file, line, "refused: %s %s",
                   muster_status_code(outcome->status), outcome->text);
    return outcome->text;
}

json_t *mt_apply_json(struct mt_registry *self, const char *text) {
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        mt_fail(self->fixture->world, "no JSON: %s in %s", error.text, text);
    json_array_append_new(self->kept, json);
    return json;
}

const char *mt_apply_refused_at(struct mt_registry *self, const char *file, int line,
                                enum muster_status status, enum muster_operation operation,
                                const char *const arguments[]) {
    struct mt_outcome *outcome = mt_finish(self, mt_begin(self, operation, arguments));
    if (outcome->status != status)
        mt_fail_at(self->fixture->world, file, line, "expected %s, got %s: %s",
                   muster_status_code(status), muster_status_code(outcome->status), outcome->text);
    return outcome->text;
}
