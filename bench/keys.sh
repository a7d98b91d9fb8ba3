#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a departure costs with every group-key scheme. Called by
# `./run bench keys [--json] [--scheme NAME] [--members N] [--leavers K]`.
set -eu
exec "$(dirname "$0")/../build/release/bench/bench_keys" "$@"
