#include "chaos/links.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/test.h"
#include "lib/wait.h"

static void print(char *out, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(out, size, format, arguments);
    va_end(arguments);
    assert_true(length > 0 && (size_t)length < size);
}

/* scheme://[login@]address; the proxy knows nothing of schemes but unix, and of no log-in. */
static void connect_to(struct ch_link *link, const char *url, const char *dir) {
    const char *rest = strstr(url, "://");
    assert_non_null(rest);
    rest += 3;
    const char *at = strchr(rest, '@');
    const char *address = at == NULL ? rest : at + 1;
    const char *unix_socket = strncmp(url, "unix:", 5) == 0 ? "unix://" : "";
    if (unix_socket[0] != '\0')
        print(link->source, sizeof link->source, "unix://%s/%s.link", dir, link->name);
    else
        print(link->source, sizeof link->source, "127.0.0.1:%d", mt_free_port());
    print(link->target, sizeof link->target, "%s%s", unix_socket, address);
    print(link->listen, sizeof link->listen, "%.*s%s", (int)(address - url), url,
          link->source + strlen(unix_socket));
}

int ch_links_add(struct ch_links *links, struct mt_world *world, const char *target,
                 const char *format, ...) {
    assert_true(links->count < CH_MOST_LINKS);
    struct ch_link *link = &links->list[links->count];
    char name[sizeof link->name];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    links->world = world;
    links->control = -1;
    memcpy(link->name, name, sizeof name);
    connect_to(link, target, mt_world_dir(world));
    return links->count++;
}

static bool connect_control(struct ch_links *links, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    links->control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(links->control, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    close(links->control);
    links->control = -1;
    return false;
}

void ch_links_start(struct ch_links *links) {
    const char *argv[3 * CH_MOST_LINKS + 4] = {"/proc/self/exe", "proxy"};
    const char *control = mt_world_path(links->world, "proxy.sock");
    size_t count = 2;
    argv[count++] = control;
    for (int i = 0; i < links->count; i++) {
        argv[count++] = links->list[i].name;
        argv[count++] = links->list[i].source;
        argv[count++] = links->list[i].target;
    }
    links->process = mt_process_start(links->world, "proxy", argv);
    MT_WAIT(links->world, connect_control(links, control), "the proxy");
}

void ch_links_close(struct ch_links *links) {
    if (links->count > 0 && links->control >= 0)
        close(links->control);
    links->control = -1;
}

void ch_links_tell(struct ch_links *links, const char *format, ...) {
    char line[300];
    if (!mt_process_running(links->process))
        mt_fail(links->world, "the proxy has ended");
    char reply[16] = "";
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[length] = '\n';
    if (write(links->control, line, (size_t)length + 1) != length + 1 ||
        read(links->control, reply, sizeof reply - 1) < 3 || strcmp(reply, "ok\n") != 0)
        mt_fail(links->world, "the proxy does not obey '%.*s': %s", length, line, reply);
}
