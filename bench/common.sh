# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What benchmarks of real processes in network namespaces share. Sourced, with
# `bench` the word of the benchmark, `here` this folder and `muster` the program.
# Needs root for the namespaces; all of it is away again when the shell ends.

[ "$(id -u)" = 0 ] || { echo "bench $bench: network namespaces need root" >&2; exit 1; }
export LAB=mu$bench$$
work=$(mktemp -d "${TMPDIR:-/tmp}/muster-$bench.XXXXXX")
pids=()
rows=()

stop_all()
{
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
    pids=()
}
trap 'stop_all; "$here/lab.sh" down; [ "${KEEP:-}" ] || rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

in_host() { local host=$1; shift; ip netns exec "$LAB-$host" "$@"; }
# spawn OUT HOST COMMAND...: no shell in between, which a signal would end
# instead of the command.
spawn() { local out=$1 host=$2; shift 2; ip netns exec "$LAB-$host" "$@" >"$out" 2>"$out.err" & pids+=($!); }
now() { date +%s.%N; }

# await FILE WORD: the JSON member of that name in it, when it is there.
await()
{
    local file=$1 name=$2 tries=0
    until grep -q "\"$name\"" "$file" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "bench $bench: $file: no $name" >&2; cat "$file.err" >&2; exit 1; }
        sleep 0.05
    done
    member "$file" "$name"
}
member() { sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$1" | head -n 1; }

# fleet FOLDER N: keys of a gateway and N devices, and their list.
fleet()
{
    local i
    (umask 077
    openssl rand -hex 32 >"$1/gw.key"
    echo "identity,key,gateway,group" >"$1/fleet.csv"
    for i in $(seq "$2"); do
        openssl rand -hex 32 >"$1/dev-$i.key"
        echo "dev-$i,$(cat "$1/dev-$i.key"),gw,fleet" >>"$1/fleet.csv"
    done)
}

api() { in_host 0 "$muster" "$@" --api "http://$http" --token-file "$work/server/token"; }

# serve FOLDER WORD...: a server on host 0 that knows the fleet of FOLDER.
serve()
{
    local from=$1; shift
    mkdir "$work/server"
    spawn "$work/server.out" 0 "$muster" serve --state "$work/server" --listen 127.0.0.1:0 --http 127.0.0.1:0 --log warn "$@"
    http=$(await "$work/server.out" http) || exit 1
    listen=$(await "$work/server.out" listen) || exit 1
    api group create fleet >/dev/null
    api gateway add --id gw --key-file "$from/gw.key" >/dev/null
    api device import "$from/fleet.csv" >/dev/null
}

# connected N: waits for so many devices.
connected()
{
    local i=0
    until [ "$(api group list --json | tr -d '\n ' | sed -n 's/.*"current":\([0-9]*\).*/\1/p')" = "$1" ]; do
        i=$((i + 1)); [ $i -lt 900 ] || { echo "bench $bench: devices do not connect" >&2; exit 1; }
        sleep 0.1
    done
}
