#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The source-authentication family side by side.
# Called by `./run bench source [--json]`, which has built the program.
set -eu
exec "$(dirname "$0")/../build/release/bench/bench_source" "$@"
