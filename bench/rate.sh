#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway that yields, over a narrow link, by real processes in network
# namespaces: alone, beside a TCP flow, and where a radio loses packets. Needs
# root for the namespaces.
#
#   ./run bench rate [--json] [--link KBIT] [--queue MS] [--receivers N]
#                    [--most BYTES] [--size BYTES] [--seconds N]
#                    [--loss PERCENT] [--cases "alone tcp lossy fixed"]
#
# The link carries KBIT both for the gateway's multicast and for the flow, and
# its queue is MS long; the gateway may send --most bytes a second. alone: what
# of the link is used from the second second of a push to its end. tcp: a flow
# of the kernel's TCP runs beside a push of the same kind, for --seconds; shares
# of both in its last three quarters. fixed: the same without --yield, at the
# rate of the link. lossy: a push over no narrow link at all, where every
# receiver loses PERCENT at random, at the rate of the link; used: of that rate.
set -u
muster=${MUSTER:?run this with ./run bench rate}
here=$(cd "$(dirname "$0")" && pwd)
link=10000
queue=50
receivers=4
most=12500000
size=8388608
seconds=20
loss=5
cases="alone tcp lossy fixed"
json=
while [ $# -gt 0 ]; do
    case $1 in
    --json) json=yes ;;
    --link) link=$2; shift ;;
    --queue) queue=$2; shift ;;
    --receivers) receivers=$2; shift ;;
    --most) most=$2; shift ;;
    --size) size=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --loss) loss=$2; shift ;;
    --cases) cases=$2; shift ;;
    *) sed -n 's/^#   //p; /^# The link/q' "$0" | sed '1s/^/usage: /' >&2; exit 2 ;;
    esac
    shift
done
bench=rate
# shellcheck source=bench/common.sh
. "$here/common.sh"

sw() { ip -n "$LAB-sw" "$@"; }

# Host 0 gets a bridge of its own, and the narrow link between the two.
narrow()
{
    sw link add br1 type bridge mcast_snooping 0 stp_state 0
    sw link set br1 up
    sw link set p0 master br1
    sw link add u0 type veth peer name u1
    sw link set u0 master br1 up
    sw link set u1 master br0 up
}
# shape KBIT: 0 for none.
shape()
{
    ip netns exec "$LAB-sw" tc qdisc del dev u0 root 2>/dev/null || :
    [ "$1" = 0 ] || ip netns exec "$LAB-sw" tc qdisc add dev u0 root tbf rate "$1kbit" burst 3200 \
        limit $((link * queue / 8 + 3200))
}
# Bytes that came out of the link towards the receivers.
carried() { ip netns exec "$LAB-sw" cat /sys/class/net/u0/statistics/tx_bytes; }

# up RATE [YIELD]
up()
{
    local i to
    rm -rf "$work"/server "$work"/gw "$work"/dev-*/ "$work"/*.out; mkdir "$work/gw"
    serve "$work"
    spawn "$work/gw.out" 0 "$muster" gateway --id gw --key-file "$work/gw.key" --server "$listen" \
        --listen 10.78.0.1:0 --state "$work/gw" --iface eth0 --area-group 239.77.85.1:5690 --rate "$@" --json --log warn
    to=$(await "$work/gw.out" listen) || exit 1
    for i in $(seq "$receivers"); do
        mkdir "$work/dev-$i"
        spawn "$work/dev-$i.out" "$i" "$muster" device --id "dev-$i" --key-file "$work/dev-$i.key" --gateway "$to" \
            --state "$work/dev-$i" --iface eth0 --page-memory-kib 512 --log warn
    done
    connected "$receivers"
}

# pushed SIZE: begins a campaign of so many bytes, and waits for its first page.
pushed()
{
    local before
    head -c "$1" /dev/urandom >"$work/file"
    before=$(carried)
    api push "$work/file" --group fleet --deadline 600s --payload 1300 --page 255 --parity 64 --no-wait --json >"$work/push" || exit 1
    id=$(member "$work/push" id)
    until [ "$(carried)" -gt $((before + 20000)) ]; do sleep 0.02; done
}
ended() { api watch "$id" --json >/dev/null 2>"$work/watch.err"; }

# row CASE SECONDS "NAME VALUE"...
row()
{
    local text="{\"case\":\"$1\",\"seconds\":$2"; shift 2
    while [ $# -gt 0 ]; do text="$text,\"$1\":$2"; shift 2; done
    rows+=("$text,\"load\":$(cut -d' ' -f1 /proc/loadavg)}")
    [ "$json" ] || echo "${rows[-1]}" | tr -d '{}"' | tr ',' ' '
}
calc() { awk "BEGIN { printf \"%.4f\", $1 }"; }

run_alone()
{
    local t0 t1 a b rc
    shape "$link"; up "$most" --yield; pushed "$size"
    sleep 1; t0=$(now); a=$(carried)
    ended; rc=$?
    t1=$(now); b=$(carried)
    row alone "$(calc "$t1 - $t0")" used "$(calc "($b - $a) * 8 / ($t1 - $t0) / $link / 1000")" exit_code $rc
    stop_all
}

# beside CASE RATE [--yield]
beside()
{
    local name=$1 a b t0 t1 x y; shift
    shape "$link"; up "$@"; pushed $((link * 125 * (seconds + 10)))
    spawn "$work/tcp" 1 python3 "$here/rate_peer.py" recv 5999
    await "$work/tcp" listen >/dev/null || exit 1
    spawn "$work/tcp.send" 0 python3 "$here/rate_peer.py" send 10.78.0.2 5999 $((seconds + 5))
    sleep $((seconds / 4)); t0=$(now); a=$(carried); x=$(tail -n 1 "$work/tcp" | cut -d' ' -f2)
    sleep $((seconds - seconds / 4)); t1=$(now); b=$(carried); y=$(tail -n 1 "$work/tcp" | cut -d' ' -f2)
    # Of the flow's bytes 1448 in 1514 are its own.
    row "$name" "$(calc "$t1 - $t0")" tcp "$(calc "($y - $x) * 8 * 1514 / 1448 / ($t1 - $t0) / $link / 1000")" \
        muster "$(calc "($b - $a - ($y - $x) * 1514 / 1448) * 8 / ($t1 - $t0) / $link / 1000")"
    stop_all
}
run_tcp() { beside tcp "$most" --yield; }
run_fixed() { beside fixed $((link * 125)); }

run_lossy()
{
    local t0 t1 a b rc
    shape 0; up $((link * 125)) --yield
    "$here/lab.sh" loss "$loss"
    pushed "$size"; sleep 1; t0=$(now); a=$(carried)
    ended; rc=$?
    t1=$(now); b=$(carried)
    row lossy "$(calc "$t1 - $t0")" used "$(calc "($b - $a) * 8 / ($t1 - $t0) / $link / 1000")" loss_percent "$loss" exit_code $rc
    "$here/lab.sh" loss 0
    stop_all
}

fleet "$work" "$receivers"
"$here/lab.sh" up "$receivers" off || exit 1
narrow
for name in $cases; do "run_$name"; done
[ -z "$json" ] || printf '{"link_kbit":%d,"queue_ms":%d,"receivers":%d,"most":%d,"cases":[%s]}\n' \
    "$link" "$queue" "$receivers" "$most" "$(printf '%s\n' "${rows[@]}" | paste -sd,)"
