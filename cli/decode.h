/* SPDX-License-Identifier: Apache-2.0 */
/* muster decode: any message as readable text. */
#ifndef MUSTER_CLI_DECODE_H
#define MUSTER_CLI_DECODE_H

int verb_decode(int argc, char **argv);

#endif
