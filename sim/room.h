/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of large worlds, in huge pages: every packet goes through the state of
 * every device of an area, and with small ones most of the time goes into finding
 * out where they lie.
 */
#ifndef MUSTER_SIM_ROOM_H
#define MUSTER_SIM_ROOM_H

#include <stddef.h>

/* Zeroed; what is never touched takes no memory. Aborts without. */
void *sim_room_new(size_t len);
void sim_room_del(void *room, size_t len);

#endif
