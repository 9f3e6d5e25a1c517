/* broken.c - descriptors that the host must refuse, one an object: compiled with BROKEN_<fault>. */
#include "muster/plugin.h"

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    (void)plugin;
    (void)host;
    (void)state;
    (void)complaint;
    return MUSTER_OK;
}

static void stop(void *state) {
    (void)state;
}

static void reply(void *state, void *context, const struct muster_result *result) {
    (void)state;
    (void)context;
    (void)result;
}

#if defined(BROKEN_NO_STOP)
static const struct muster_plugin_hooks hooks = {.init = init, .close = stop};
#else
static const struct muster_plugin_hooks hooks = {.init = init, .stop = stop, .close = stop};
#endif
static const struct muster_transport_hooks transport = {.reply = reply};

#define HOOKS &hooks
#define TRANSPORT &transport
#define NAME "broken"
#define KINDS MUSTER_TRANSPORT
#define MAGIC MUSTER_PLUGIN_MAGIC
#define MAJOR MUSTER_ABI_MAJOR
#define MINOR MUSTER_ABI_MINOR
#define TRANSPORT_SIZE (uint32_t)sizeof(struct muster_transport_hooks)
#define HOST_SIZE (uint32_t)sizeof(struct muster_host)
#define HOOKS_SIZE (uint32_t)sizeof(struct muster_plugin_hooks)
#define KEYS NULL, 0

#if defined(BROKEN_MAGIC)
#undef MAGIC
#define MAGIC UINT64_C(0x6d75737465723030)
#elif defined(BROKEN_MAJOR)
#undef MAJOR
#define MAJOR (MUSTER_ABI_MAJOR + 1)
#elif defined(BROKEN_MINOR)
#undef MINOR
#define MINOR (MUSTER_ABI_MINOR + 7)
#elif defined(BROKEN_OLD)
/* Not broken: made with the headers of ABI 1.0. */
#undef MINOR
#define MINOR 0
#undef HOST_SIZE
#define HOST_SIZE (uint32_t) offsetof(struct muster_host, subscribe_pattern)
#undef HOOKS_SIZE
#define HOOKS_SIZE (uint32_t) offsetof(struct muster_plugin_hooks, reload)
#undef TRANSPORT_SIZE
#define TRANSPORT_SIZE (uint32_t) offsetof(struct muster_transport_hooks, subscribed)
#elif defined(BROKEN_SHORTER)
/* Says 1.1, and has the hooks of 1.0. */
#undef HOOKS_SIZE
#define HOOKS_SIZE (uint32_t) offsetof(struct muster_plugin_hooks, reload)
#elif defined(BROKEN_SHORT)
#undef TRANSPORT_SIZE
#define TRANSPORT_SIZE (uint32_t)sizeof(void *)
#elif defined(BROKEN_LONG)
#undef HOST_SIZE
#define HOST_SIZE (uint32_t)(sizeof(struct muster_host) + sizeof(void *))
#elif defined(BROKEN_NO_HOOKS)
#undef HOOKS
#define HOOKS NULL
#elif defined(BROKEN_NO_TABLE)
#undef TRANSPORT
#define TRANSPORT NULL
#elif defined(BROKEN_NAME)
#undef NAME
#define NAME "no name"
#elif defined(BROKEN_KINDS)
#undef KINDS
#define KINDS 64
#elif defined(BROKEN_DEFAULT)
static const struct muster_config_key keys[] = {
    {"wait", MUSTER_CONFIG_DURATION, false, "soon", 0, 0, "A default that is no duration."},
};
#undef KEYS
#define KEYS keys, 1
#endif

#if defined(BROKEN_TINY)
/* A symbol that is shorter than what every version of the ABI begins with. */
extern MUSTER_EXPORT const uint64_t muster_plugin_descriptor;
const uint64_t muster_plugin_descriptor = MUSTER_PLUGIN_MAGIC;
#elif defined(BROKEN_SYMBOL)
extern MUSTER_EXPORT const struct muster_plugin_hooks *muster_plugin_description;
const struct muster_plugin_hooks *muster_plugin_description = &hooks;
#else
extern MUSTER_EXPORT const struct muster_plugin_descriptor muster_plugin_descriptor;
const struct muster_plugin_descriptor muster_plugin_descriptor = {
    MAGIC,
    MAJOR,
    MINOR,
    (uint32_t)sizeof(struct muster_plugin_descriptor),
    HOST_SIZE,
    HOOKS_SIZE,
    TRANSPORT_SIZE,
    (uint32_t)sizeof(struct muster_authenticator_hooks),
    (uint32_t)sizeof(struct muster_authorizer_hooks),
    (uint32_t)sizeof(struct muster_observer_hooks),
    KINDS,
    NAME,
    "1",
    KEYS,
    HOOKS,
    TRANSPORT,
    NULL,
    NULL,
    NULL,
};
#endif
