/* plugins.c - are the plugins of the configuration fit to be loaded, and are the principals of
 * auth_rules still let in. */
#include <string.h>

#include "auth_rules/date.h"
#include "auth_rules/policy.h"
#include "base/clock.h"
#include "config/tree.h"
#include "doctor/doctor.h"
#include "plugin/offline.h"

#define SOON_MS (UINT64_C(14) * 24 * 3600 * 1000)

void mu_check_plugins(struct mu_doctor *doctor) {
    const struct muster_config *load = doctor->config->plugins.load;
    if (load == NULL || load->count == 0) {
        mu_doctor_need_not(doctor, "%s",
                           doctor->config_path != NULL ? "the configuration loads none"
                                                       : "no configuration was named");
        return;
    }
    struct mu_buffer seen;
    mu_buffer_init(&seen, 4096);
    bool room = true;
    for (size_t i = 0; i < load->count; i++) {
        struct mu_offline_plugin plugin;
        struct mu_error error = {0};
        if (mu_offline_examine(doctor->config, load->items[i], &plugin, &error) != MUSTER_OK) {
            mu_doctor_found(doctor, "PLUGIN_UNUSABLE", NULL, "%s", error.text);
            continue;
        }
        room = room && mu_buffer_printf(&seen, "%s%s %s (ABI %d.%u)", seen.length > 0 ? ", " : "",
                                        plugin.name, plugin.version, MUSTER_ABI_MAJOR,
                                        (unsigned)plugin.abi_minor);
    }
    mu_doctor_saw(doctor, "%s", seen.length > 0 ? seen.data : "");
    mu_buffer_deinit(&seen);
}

static void look_at_principals(struct mu_doctor *doctor, const struct rules_policy *policy) {
    uint64_t now = mu_clock_realtime_ms();
    const struct rules_principals *principals = &policy->principals;
    for (size_t i = 0; i < principals->count; i++) {
        const struct rules_principal *principal = &principals->items[i];
        uint64_t expires = principal->shown.expires_at;
        if (expires != 0 && expires <= now) {
            mu_doctor_found(doctor, "TOKEN_EXPIRED", principal->name,
                            "principal '%s' of auth_rules has expired", principal->name);
        } else if (expires != 0 && expires - now < SOON_MS) {
            mu_doctor_found(doctor, "TOKEN_EXPIRES", principal->name,
                            "principal '%s' of auth_rules expires in %llu hours", principal->name,
                            (unsigned long long)((expires - now) / 3600000));
        }
    }
    mu_doctor_saw(doctor, "%zu principals of auth_rules", principals->count);
}

void mu_check_tokens(struct mu_doctor *doctor) {
    static const struct mu_schema schema = {RULES_PLUGIN_NAME, RULES_PLUGIN_NAME ".so", rules_keys,
                                            RULES_KEYS};
    const struct muster_config *given = NULL;
    struct muster_config *tree = NULL;
    struct muster_complaint complaint = {""};
    struct mu_error error = {0};
    if (!mu_doctor_loads(doctor, RULES_PLUGIN_NAME, &given)) {
        mu_doctor_need_not(doctor, "auth_rules is not loaded");
        return;
    }
    struct rules_policy *policy = NULL;
    if (mu_offline_read(doctor->config, &schema, &tree, &error) == MUSTER_OK) {
        struct rules_reader reader = {.host = mu_offline_host(), .complaint = &complaint};
        policy = rules_policy_read(&reader, tree);
    }
    if (policy != NULL) {
        look_at_principals(doctor, policy);
    } else {
        mu_doctor_found(doctor, "CONFIG_WRONG", NULL, "%s",
                        error.text[0] != '\0' ? error.text : complaint.text);
    }
    rules_policy_destroy(&policy);
    mu_tree_destroy(&tree);
}
