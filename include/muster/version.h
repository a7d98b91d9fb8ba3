/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the programs; CMakeLists.txt has the same. */
#ifndef MUSTER_VERSION_H
#define MUSTER_VERSION_H

#define MU_VERSION "0.1.0"

#endif
