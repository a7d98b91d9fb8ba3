/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that a test feeds to the receiving firmware: what the device was
 * provisioned with, then every packet that reaches it. Big endian.
 *
 *   public key of the server (65), Kb (32), Kctl (16), kg (1), Kfb (16),
 *   seed (4), idle time in ms (4), receiver (2)
 *   then, until a length of 0: time in us (8), length (2), packet (length)
 */
#ifndef PORTS_CORTEX_M_STREAM_H
#define PORTS_CORTEX_M_STREAM_H

enum {
    MU_STREAM_PUB = 65,
    MU_STREAM_KB = 32,
    MU_STREAM_KEY = 16,
    MU_STREAM_HEADER = MU_STREAM_PUB + MU_STREAM_KB + 2 * MU_STREAM_KEY + 11,
    MU_STREAM_RECORD = 10,
};

#define MU_STREAM_FILE "stream.bin"
#define MU_STREAM_IMAGE "received.bin"

#endif
