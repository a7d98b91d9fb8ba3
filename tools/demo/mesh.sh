#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Over many hops, with real processes: eight devices in a line, of whom only the
# first hears the gateway. A file goes through all of them; then gateway and
# server are killed, and a device that slept through it gets it from its
# neighbour. At last a command goes down the line and is acknowledged up it.
#
#   ./run demo mesh
set -eu
muster=${MUSTER:?run this with ./run demo}
devices=8
size=262144

# A network of its own, where that can be had.
if [ -z "${DEMO_NET:-}" ]; then
    for user in '' -r; do
        # shellcheck disable=SC2086 # an option or nothing
        if unshare $user -n true 2>/dev/null && command -v ip >/dev/null; then
            DEMO_NET=own exec unshare $user -n "$0" "$@"
        fi
    done
    DEMO_NET=shared
fi
[ "$DEMO_NET" = shared ] || ip link set lo up

# shellcheck source=tools/demo/common
. "$(dirname "$0")/common"

at() { echo "127.0.90.$1:7100"; }

# device N: beside N - 1 and N + 1; one loss in twenty on every link.
device()
{
    near=
    [ "$1" = 1 ] || near=$(at $(($1 - 1)))
    [ "$1" = $devices ] || near=$near${near:+,}$(at $(($1 + 1)))
    reach=--mesh-only
    [ "$1" != 1 ] || reach=
    mkdir -p "$here/dev-$1"
    # shellcheck disable=SC2086 # an option or nothing
    start "dev-$1" "$muster" device --id "dev-$1" --key-file "$here/keys.csv" \
        --gateway "$gateway" --state "$here/dev-$1" --iface lo $reach --drop-in 5 \
        --mesh "$(at "$1")" --neighbours "$near" --mesh-rate 1000000 --log warn \
        --hook "sha256sum <\"\$1\" >\"\$1.sum\"; date +%s.%N >\"\$1.at\""
}

# until_sums N: so many devices run it.
until_sums()
{
    tries=0
    until [ "$(find "$here" -name '*.sum' | wc -l)" -ge "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "only $(find "$here" -name '*.sum' | wc -l) of $1 run it"
        sleep 0.1
    done
}

mkdir "$here/server" "$here/gw"
start server "$muster" serve --state "$here/server" --iface lo --listen 127.0.0.1:0 \
    --http 127.0.0.1:0 --wide-group 239.77.89.1:5684 --log warn
http=$(ready server http)
new_key "$here/gw.key"
api gateway add --id gw-1 --key-file "$here/gw.key" >/dev/null
api group create all >/dev/null
(umask 077; echo "identity,key,gateway,group" >"$here/keys.csv")
od -An -v -tx1 -w32 -N$((32 * devices)) /dev/urandom | tr -d ' ' |
    awk -v to="$here/keys.csv" '{ print "dev-" NR "," $1 ",gw-1,all" >>to }'
api device import "$here/keys.csv" >/dev/null
start gw "$muster" gateway --id gw-1 --key-file "$here/gw.key" --server "$(ready server listen)" \
    --listen 127.0.0.1:0 --state "$here/gw" --iface lo --area-group 239.77.89.2:5685 \
    --json --log warn
gateway=$(ready gw listen)
for i in $(seq $devices); do device "$i"; done
until_current all $devices
sleep 2 # the last of them has stored its keys
say "line       gateway, then $devices devices; the cast reaches dev-1 alone"

# ---- a file, hop by hop ------------------------------------------------------

# shellcheck disable=SC2154 # set by start
kill -9 "$(eval echo "\$pid_dev_$devices")"
say "asleep     dev-$devices"
head -c $size /dev/urandom >"$here/file"
digest=$(sha256sum <"$here/file")
pushed=$(date +%s.%N)
api push "$here/file" --group all --no-wait >/dev/null
until_sums $((devices - 1))
for i in $(seq $((devices - 1))); do
    echo "$i $pushed $(cat "$here/dev-$i/slot.at")"
done | awk '{ printf "%s dev-%d %.1f s", NR == 1 ? "arrived   " : ",", $1, $3 - $2 } END { print "" }'

# shellcheck disable=SC2154 # set by start
kill -9 "$pid_gw" "$pid_server"
say "killed     gateway and server"
device $devices
until_sums $devices
say "awake      dev-$devices has it from dev-$((devices - 1))"
same=$(find "$here" -name '*.sum' -exec grep -l "${digest%% *}" {} + | wc -l)
stop_all

# ---- a command, acknowledged -------------------------------------------------

{
    echo "root - $(at 100)"
    above=root
    for i in $(seq $devices); do
        echo "dev-$i $above $(at "$i")"
        above=dev-$i
    done
} >"$here/plan"
for i in $(seq $devices); do
    start "tree-$i" "$muster" tree --plan "$here/plan" --id "dev-$i" \
        --key-file "$here/keys.csv" --wait-ms 20 --drop-in 5 --log warn
done
code=0
echo "valve 3 off" | "$muster" tree --plan "$here/plan" --key-file "$here/keys.csv" \
    --wait-ms 20 --log warn >"$here/said" || code=$?
heard=$(grep -l '"text":"valve 3 off"' "$here"/tree-*.ready | wc -l)
acked=$(sed -n 's/.*"acked":\([0-9]*\).*/\1/p' "$here/said")
say "command    \"valve 3 off\": $heard heard it, $acked acknowledged, in $(sed -n \
    's/.*"ms":\([0-9]*\).*/\1/p' "$here/said") ms"
say "pushed     $same of $devices run the file"
[ "$code $same $heard $acked" = "0 $devices $devices $devices" ] || fail "not as it should be"
say "done       in $(($(date +%s) - began)) seconds"
