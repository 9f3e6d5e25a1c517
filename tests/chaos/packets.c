#include "chaos/packets.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/test.h"

static bool lift_loopback(void) {
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags |= IFF_UP;
    up = up && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        close(fd);
    return up;
}

static bool nft(struct mt_world *world, const char *commands) {
    return mt_process_run(world, "nft", (const char *const[]){"nft", commands, NULL}, NULL) == 0;
}

static bool is_there(const char *program) {
    static const char *const places[] = {"/usr/sbin", "/sbin", "/usr/bin"};
    char path[64];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s", places[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

bool ch_packets_open(struct ch_packets *self, struct mt_world *world, const char **reason) {
    self->world = world;
    self->dropped = 0;
    *reason = "nft is not installed";
    if (!is_there("nft"))
        return false;
    *reason = "a network namespace takes root";
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    if (!lift_loopback())
        mt_fail(world, "the loopback of a new network namespace stays down");
    *reason = "nft may not be used";
    return nft(world, "add table ip chaos; "
                      "add chain ip chaos in { type filter hook input priority 0; }");
}

static void apply(struct ch_packets *self) {
    char commands[1024];
    int used = snprintf(commands, sizeof commands, "flush chain ip chaos in");
    for (unsigned who = 0; who < 32; who++) {
        char address[32] = CH_REPLICA_ADDRESS;
        if ((self->dropped >> who & 1) == 0)
            continue;
        if (who != CH_PACKETS_REPLICA)
            snprintf(address, sizeof address, CH_DAEMON_NET "%u", who + 1);
        used += snprintf(commands + used, sizeof commands - (size_t)used,
                         "; add rule ip chaos in ip saddr %s drop"
                         "; add rule ip chaos in ip daddr %s drop",
                         address, address);
        assert_true(used > 0 && (size_t)used < sizeof commands);
    }
    if (!nft(self->world, commands))
        mt_fail(self->world, "nft does not take: %s", commands);
}

void ch_packets_drop(struct ch_packets *self, unsigned who, bool drop) {
    unsigned bit = 1U << who;
    self->dropped = drop ? self->dropped | bit : self->dropped & ~bit;
    apply(self);
}

void ch_packets_heal(struct ch_packets *self) {
    if (self->dropped == 0)
        return;
    self->dropped = 0;
    apply(self);
}
