#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network of its own for a benchmark: hosts on one bridge, each in a network
# namespace that this script makes. There is no route out of it.
#
#   lab.sh up N RATE    the switch and hosts 0..N; RATE like 100mbit, or off
#   lab.sh loss PCT     each host but 0 loses PCT percent of what it is sent
#   lab.sh stat         per host: bytes and packets that it put on the wire
#   lab.sh down         all of it away again
#
# LAB names the namespaces (default mulab), so that two runs do not meet.
set -eu
lab=${LAB:-mulab}

host_up()
{
    i=$1
    ip netns add "$lab-$i"
    ip link add eth0 netns "$lab-$i" type veth peer name "p$i" netns "$lab-sw"
    ip -n "$lab-sw" link set "p$i" master br0 up
    ip -n "$lab-$i" link set lo up
    ip -n "$lab-$i" addr add "10.78.$((i / 250)).$((i % 250 + 1))/16" brd + dev eth0
    ip -n "$lab-$i" link set eth0 up
    ip -n "$lab-$i" route add 224.0.0.0/4 dev eth0
}

case ${1:-} in
up)
    ip netns add "$lab-sw"
    ip -n "$lab-sw" link add br0 type bridge mcast_snooping 0 stp_state 0
    ip -n "$lab-sw" link set br0 up
    i=0
    while [ "$i" -le "$2" ]; do
        host_up "$i"
        # The sender's own port: the medium takes RATE from it.
        [ "${3:-off}" = off ] || ip netns exec "$lab-$i" tc qdisc add dev eth0 \
            root tbf rate "$3" burst 32kb limit 1mb
        i=$((i + 1))
    done
    ;;
loss)
    for ns in $(ip netns list | awk -v l="$lab-" 'index($1, l) == 1 { print $1 }'); do
        case $ns in "$lab-sw" | "$lab-0") continue ;; esac
        ip netns exec "$ns" nft delete table netdev loss 2>/dev/null || :
        [ "$2" = 0 ] || ip netns exec "$ns" nft "add table netdev loss
            add chain netdev loss in { type filter hook ingress device eth0 priority 0; policy accept; }
            add rule netdev loss in meta protocol { ip, ip6 } numgen random mod 10000 < $(($2 * 100)) drop"
    done
    ;;
stat)
    for dev in $(ip netns exec "$lab-sw" ls /sys/class/net); do
        case $dev in p[0-9]*) ;; *) continue ;; esac
        at=/sys/class/net/$dev/statistics
        echo "$dev $(ip netns exec "$lab-sw" cat $at/rx_bytes $at/rx_packets | tr '\n' ' ')"
    done
    ;;
down)
    for ns in $(ip netns list | awk -v l="$lab-" 'index($1, l) == 1 { print $1 }'); do
        ip netns del "$ns"
    done
    ;;
*)
    echo "usage: lab.sh up N RATE | loss PCT | stat | down" >&2
    exit 2
    ;;
esac
