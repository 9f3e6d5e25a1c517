/* door.h - the RESP door of a real daemon, and what a process costs. */
#ifndef MB_DOOR_H
#define MB_DOOR_H

#include <sys/types.h>

#include "load.h"
#include "server.h"

struct mb_door {
    pid_t daemon;
    char socket[MB_LONG];
};

/* Starts the musterd of this build with transport_resp on a unix socket. Redis should be empty.
 * Instances that never speak are left alone. */
void mb_door_start(struct mb_door *door, struct mb_server *server, const char *directory);
/* The same with further entries of plugins.load (each with a comma before it) and of
 * authorization.chain; what nobody decides is denied. */
void mb_door_start_with(struct mb_door *door, struct mb_server *server, const char *directory,
                        const char *plugins, const char *chain);
/* SIGTERM, and the end. */
void mb_door_stop(struct mb_door *door);

/* CPU seconds that a process used, user and system. */
double mb_process_cpu(pid_t process);
/* Its resident memory in bytes. */
double mb_process_memory(pid_t process);
/* Lets this process, and those it starts, open so many files; as many as the machine allows. */
size_t mb_allow_files(size_t count);

/* ENTER and ISMEMBER at the door, and their counterparts straight at Redis: each an `issue` of
 * mb_pipe_run() with the load as context. */
void mb_door_enter(struct mb_pipe *pipe, size_t index, void *load);
void mb_door_ismember(struct mb_pipe *pipe, size_t index, void *load);
void mb_straight_hexists(struct mb_pipe *pipe, size_t index, void *load);

#endif
