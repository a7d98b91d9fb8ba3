#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The curves of figure 6-10 of EXALTED D5.2 from runs of the scheme. Called by
# `./run bench fig-6-10 [--json | --svg]`; --svg writes docs/fig-6-10.svg.
set -eu
top=$(dirname "$0")/..
program=$top/build/release/bench/bench_fig_6_10
if [ "${1:-}" = --svg ]; then
    [ $# = 1 ] || exec "$program" "$@"
    "$program" --svg >"$top/docs/fig-6-10.svg.new"
    mv "$top/docs/fig-6-10.svg.new" "$top/docs/fig-6-10.svg"
    echo "docs/fig-6-10.svg"
else
    exec "$program" "$@"
fi
