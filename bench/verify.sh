#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What it costs to check a packet, against a bare hash and against signatures.
# Called by `./run bench verify [--json]`, which has built the program.
set -eu
exec "$(dirname "$0")/../build/release/bench/bench_verify" "$@"
