/* play.h - the coordinator's part, played by hand, for benchmarks of the functions alone. */
#ifndef MB_PLAY_H
#define MB_PLAY_H

#include <stddef.h>

#include "pipe.h"

/* Loads the embedded library of functions over what is there. */
void mb_play_load(struct mb_pipe *pipe);
/* Takes the lease of an empty namespace for an hour and confirms a generation. */
void mb_play_lead(struct mb_pipe *pipe);
/* Starts the instances node-1 to node-<count>. */
void mb_play_start(struct mb_pipe *pipe, size_t count);

#endif
