/* Stands in until the folder is filled, so that the daemon links: delete this file with it. */
#include "base/alloc.h"
#include "request/request.h"
#include <stdlib.h>
struct mu_requests {
    uv_timer_t t;
    void (*closed)(void *);
    void *c;
};
struct mu_requests *mu_requests_create(const struct mu_requests_options *o) {
    struct mu_requests *r = mu_calloc(1, sizeof *r);
    uv_timer_init(o->loop, &r->t);
    r->t.data = r;
    return r;
}
enum muster_status mu_requests_submit(struct mu_requests *r, const struct mu_submission *s,
                                      uint64_t *id) {
    (void)r;
    (void)s;
    (void)id;
    return MUSTER_UNAVAILABLE;
}
enum muster_status mu_requests_authenticate(struct mu_requests *r, void *o, const char *d,
                                            const struct muster_credentials *c, mu_verdict_cb f,
                                            void *x, uint64_t *id) {
    (void)r;
    (void)o;
    (void)d;
    (void)c;
    (void)f;
    (void)x;
    (void)id;
    return MUSTER_UNAVAILABLE;
}
enum muster_status mu_requests_authorize(struct mu_requests *r, void *o, const char *d,
                                         struct muster_caller *c, enum muster_action a,
                                         const struct muster_resource *z, mu_verdict_cb f, void *x,
                                         uint64_t *id) {
    (void)r;
    (void)o;
    (void)d;
    (void)c;
    (void)f;
    (void)x;
    (void)id;
    (void)a;
    (void)z;
    return MUSTER_UNAVAILABLE;
}
void mu_requests_cancel(struct mu_requests *r, uint64_t id) {
    (void)r;
    (void)id;
}
void mu_requests_cancel_owner(struct mu_requests *r, const void *o) {
    (void)r;
    (void)o;
}
void mu_requests_counts(const struct mu_requests *r, struct mu_request_counts *o) {
    (void)r;
    *o = (struct mu_request_counts){0};
}
static void gone(uv_handle_t *h) {
    struct mu_requests *r = h->data;
    void (*f)(void *) = r->closed;
    void *c = r->c;
    free(r);
    f(c);
}
void mu_requests_close(struct mu_requests **r, void (*closed)(void *), void *c) {
    (*r)->closed = closed;
    (*r)->c = c;
    uv_close((uv_handle_t *)&(*r)->t, gone);
    *r = NULL;
}
