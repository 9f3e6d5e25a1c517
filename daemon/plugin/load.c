#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/text.h"
#include "plugin/internal.h"

/* ---- where ---- */

/* Beside the program: <prefix>/sbin/musterd has <prefix>/lib/muster/plugins, a build tree
 * plugins/. */
static bool own_directory(struct mu_buffer *out, const char *relative) {
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        return false;
    }
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    *slash = '\0';
    return mu_buffer_printf(out, "%s/%s", program, relative);
}

/* True when there is such a file. Appends the directory to the list of where it is not. */
static bool look_in(const char *directory, const char *name, struct mu_buffer *nowhere,
                    char **file) {
    struct mu_buffer path;
    mu_buffer_init(&path, 0);
    bool found =
        mu_buffer_printf(&path, "%s/%s.so", directory, name) && access(path.data, F_OK) == 0;
    if (found) {
        *file = mu_strdup(path.data);
    } else if (!mu_buffer_printf(nowhere, "%s%s", nowhere->length > 0 ? ", " : "", directory)) {
        abort(); /* out of memory, as in alloc.c */
    }
    mu_buffer_deinit(&path);
    return found;
}

static bool look_beside(const char *relative, const char *name, struct mu_buffer *nowhere,
                        char **file) {
    struct mu_buffer directory;
    mu_buffer_init(&directory, 0);
    bool found =
        own_directory(&directory, relative) && look_in(directory.data, name, nowhere, file);
    mu_buffer_deinit(&directory);
    return found;
}

enum muster_status mu_plugin_find(const struct mu_config *config, const char *name, char **file,
                                  struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];
    mu_text_show(shown, name, strlen(name));
    if (name[0] == '/') {
        *file = mu_strdup(name);
        return MUSTER_OK;
    }
    if (strchr(name, '/') != NULL) {
        return mu_error_set(
            error, MUSTER_BAD_REQUEST,
            "plugin '%s': expected a name or an absolute path, found a relative one", shown);
    }
    struct mu_buffer nowhere;
    mu_buffer_init(&nowhere, 0);
    bool found = false;
    for (size_t i = 0; !found && i < config->plugins.path_count; i++) {
        found = look_in(config->plugins.path[i], name, &nowhere, file);
    }
    if (config->plugins.path_count == 0) {
        found = look_beside(MUSTER_PLUGIN_SUBDIR, name, &nowhere, file) ||
                look_beside("plugins", name, &nowhere, file);
    }
    if (!found) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "plugin '%s': there is no %s.so in %s", shown,
                     shown, nowhere.data);
    }
    mu_buffer_deinit(&nowhere);
    return found ? MUSTER_OK : error->status;
}

/* ---- may it be loaded ---- */

static enum muster_status unusable(const char *file, struct mu_error *error) {
    return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: cannot be read: %s", file, strerror(errno));
}

static enum muster_status check_owner(const char *path, const struct stat *about,
                                      struct mu_error *error) {
    if (about->st_uid == 0 || about->st_uid == geteuid()) {
        return MUSTER_OK;
    }
    return mu_error_set(error, MUSTER_DENIED,
                        "%s: owner: expected root or the user of the daemon (%u), found %u", path,
                        (unsigned)geteuid(), (unsigned)about->st_uid);
}

static enum muster_status check_mode(const char *path, const struct stat *about,
                                     bool sticky_is_fine, struct mu_error *error) {
    bool sticky = (about->st_mode & S_ISVTX) != 0;
    if ((about->st_mode & S_IWOTH) == 0 || (sticky && sticky_is_fine)) {
        return MUSTER_OK;
    }
    return mu_error_set(error, MUSTER_DENIED,
                        "%s: mode: expected nothing that everybody may write, found %04o", path,
                        (unsigned)(about->st_mode & 07777));
}

/* Who may write a directory may put another file in the place of the plugin. Further up it is
 * enough that nobody else may rename what is in it. */
static enum muster_status check_directories(char *path, struct mu_error *error) {
    bool first = true;
    for (char *slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
        struct stat about;
        *slash = '\0';
        const char *directory = path[0] != '\0' ? path : "/";
        if (stat(directory, &about) != 0) {
            return unusable(directory, error);
        }
        enum muster_status status = check_mode(directory, &about, !first, error);
        if (status == MUSTER_OK && first) {
            status = check_owner(directory, &about, error);
        }
        if (status != MUSTER_OK) {
            return status;
        }
        first = false;
    }
    return MUSTER_OK;
}

enum muster_status mu_plugin_check_file(const char *file, struct mu_error *error) {
    char real[PATH_MAX];
    struct stat about;
    if (realpath(file, real) == NULL || stat(real, &about) != 0) {
        return unusable(file, error);
    }
    if (!S_ISREG(about.st_mode)) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "%s: expected a regular file, found something else", file);
    }
    enum muster_status status = check_owner(file, &about, error);
    if (status == MUSTER_OK) {
        status = check_mode(file, &about, false, error);
    }
    return status == MUSTER_OK ? check_directories(real, error) : status;
}

/* ---- the object ---- */

/* Never closed: late callbacks into unmapped code crash the process, and libraries with
 * thread-local storage break when they are loaded again. */
enum muster_status mu_plugin_open(struct muster_plugin *plugin, struct mu_error *error) {
    plugin->object = dlopen(plugin->file, RTLD_NOW | RTLD_LOCAL);
    if (plugin->object == NULL) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: cannot be loaded: %s", plugin->file,
                            dlerror());
    }
    void *symbol = dlsym(plugin->object, MUSTER_PLUGIN_SYMBOL);
    if (symbol == NULL) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "%s: symbol " MUSTER_PLUGIN_SYMBOL ": expected one, found none",
                            plugin->file);
    }
    Dl_info about;
    ElfW(Sym) *entry = NULL;
    /* The symbol of a library that it links would do as little as none. */
    if (dladdr1(symbol, &about, (void **)&entry, RTLD_DL_SYMENT) == 0 || entry == NULL) {
        return mu_descriptor_take(plugin, symbol, 0, error);
    }
    return mu_descriptor_take(plugin, symbol, entry->st_size, error);
}
