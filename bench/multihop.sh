#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Deluge over many hops: the cost of security, and attackers.
# Called by `./run bench multihop [--json]`, which has built the program.
set -eu
exec "$(dirname "$0")/../build/release/bench/bench_multihop" "$@"
