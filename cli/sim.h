/* SPDX-License-Identifier: Apache-2.0 */
/* muster sim: the fleet before the radio time is bought. */
#ifndef MUSTER_CLI_SIM_H
#define MUSTER_CLI_SIM_H

int verb_sim(int argc, char **argv);

#endif
