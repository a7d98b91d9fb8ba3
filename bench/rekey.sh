#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a departure costs the live server engine over its store. Called by
# `./run bench rekey [--json] [--members N] [--scheme S] [--leavers K]`.
set -eu
exec "$(dirname "$0")/../build/release/bench/bench_rekey" "$@"
