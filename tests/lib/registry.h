/* registry.h - the daemon's registry in a test: operations over a link on a loop of the test's own.
 *
 *     struct mt_registry *r = mt_registry_open(f);
 *     mt_expect(mt_apply(r, LEADER, "room"), "{'session':'room','leader':null,'term':0}");
 *     mt_registry_close(&r);
 */
#ifndef MT_REGISTRY_H
#define MT_REGISTRY_H

#include "lib/fixture.h"
#include "lib/loop.h"
#include "registry/registry.h"

struct mt_registry;

/* Waits until the link is open. The fixture must outlive it. */
struct mt_registry *mt_registry_open(struct mt_fixture *f);
/* The same with bounds of the link: address, log and callbacks are not looked at. */
struct mt_registry *mt_registry_open_with(struct mt_fixture *f, struct mu_link_options options);
void mt_registry_close(struct mt_registry **registry);

struct mt_loop *mt_registry_loop(struct mt_registry *registry);
struct mu_registry *mt_registry_of(struct mt_registry *registry);
struct mu_link *mt_registry_link(struct mt_registry *registry);

/* How an operation ended. Belongs to the registry until its end. */
struct mt_outcome {
    bool done;
    enum muster_status status;
    char *text; /* JSON, or the sentence */
};

/* Begins an operation. What is refused at once is done at once. Arguments end with NULL. */
struct mt_outcome *mt_begin(struct mt_registry *registry, enum muster_operation operation,
                            const char *const arguments[]);
struct mt_outcome *mt_finish(struct mt_registry *registry, struct mt_outcome *outcome);

#define MT_ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* JSON, byte for byte; a refusal fails the test. */
#define mt_apply_text(r, operation, ...)                                                           \
    mt_apply_at((r), __FILE__, __LINE__, MUSTER_OPERATION_##operation, MT_ARGUMENTS(__VA_ARGS__))
/* The same, parsed; belongs to the registry. */
#define mt_apply(r, ...) mt_apply_json((r), mt_apply_text((r), __VA_ARGS__))
/* Asserts the code; returns the sentence. */
#define mt_apply_refused(r, status, operation, ...)                                                \
    mt_apply_refused_at((r), __FILE__, __LINE__, (status), MUSTER_OPERATION_##operation,           \
                        MT_ARGUMENTS(__VA_ARGS__))
const char *mt_apply_at(struct mt_registry *registry, const char *file, int line,
                        enum muster_operation operation, const char *const arguments[]);
json_t *mt_apply_json(struct mt_registry *registry, const char *text);
const char *mt_apply_refused_at(struct mt_registry *registry, const char *file, int line,
                                enum muster_status status, enum muster_operation operation,
                                const char *const arguments[]);

#endif
