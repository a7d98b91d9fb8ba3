/* SPDX-License-Identifier: Apache-2.0 */
/* The version: what `muster version` prints and what nodes tell in /hello. */
#ifndef NET_VERSION_H
#define NET_VERSION_H

#define MU_VERSION "0.1.0"

#endif
