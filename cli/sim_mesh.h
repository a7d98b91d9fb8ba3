/* SPDX-License-Identifier: Apache-2.0 */
/* muster sim --topology: areas of many hops. */
#ifndef CLI_SIM_MESH_H
#define CLI_SIM_MESH_H

#include <stdbool.h>

/* Whether these are arguments for it. */
bool cli_sim_mesh_wanted(int argc, char **argv);
int cli_sim_mesh(int argc, char **argv);

#endif
