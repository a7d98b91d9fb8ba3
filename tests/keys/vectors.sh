#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Computes tests/vectors/keys.txt with the openssl command alone, from the text
# of docs/wire-format.md s.1, s.3, s.6 and s.7 and of RFC 9052, RFC 8613, RFC 3610. It shares no code with Muster.
#   tests/keys/vectors.sh >tests/vectors/keys.txt
set -eu

hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
lower() { tr -d ':\n' | tr A-F a-f; }
# kdf KEY LABEL CONTEXT(hex) BYTES
kdf() {
    openssl kdf -keylen "$4" -kdfopt digest:SHA256 -kdfopt mode:EXPAND_ONLY \
        -kdfopt hexkey:"$1" -kdfopt \
        hexinfo:"$(hex muster1)00$(hex "$2")00$3" HKDF | lower
}
# extract SALT(hex) KEY(hex)
extract() {
    openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt mode:EXTRACT_ONLY \
        -kdfopt hexsalt:"$1" -kdfopt hexkey:"$2" HKDF | lower
}
# hmac KEY(hex) DATA(hex) BYTES
hmac() {
    # shellcheck disable=SC2059
    printf "$(printf '%s' "$2" | sed 's/../\\x&/g')" |
        openssl mac -digest SHA256 -macopt hexkey:"$1" HMAC |
        lower | cut -c "1-$((2 * $3))"
}
# bin: hex on standard input, bytes out
bin() {
    # shellcheck disable=SC2059
    printf "$(sed 's/../\\x&/g')"
}
# CBOR heads of strings shorter than 256 bytes: bstr HEX, tstr TEXT
head() {
    if [ "$2" -lt 24 ]; then printf '%02x' $(($1 + $2)); else
        printf '%02x%02x' $(($1 + 24)) "$2"; fi
}
bstr() { printf '%s%s' "$(head 64 $((${#1} / 2)))" "$1"; }
tstr() { printf '%s%s' "$(head 96 ${#1})" "$(hex "$1")"; }
# pad HEX: to whole blocks of 16 bytes
pad() {
    local out=$1
    while [ $((${#out} % 32)) != 0 ]; do out=${out}00; done
    printf '%s' "$out"
}
# aes MODE KEY IV HEX
aes() {
    printf '%s' "$4" | bin |
        openssl enc "-aes-128-$1" -K "$2" ${3:+-iv "$3"} -nopad |
        od -An -v -tx1 | tr -d ' \n'
}
# ccm KEY NONCE(13) AAD PLAIN: AES-CCM with 8 bytes of tag (RFC 3610)
ccm() {
    local first mac tag
    first=59$2$(printf '%04x' $((${#4} / 2)))
    mac=$(aes cbc "$1" 00000000000000000000000000000000 \
        "$first$(pad "$(printf '%04x' $((${#3} / 2)))$3")$(pad "$4")")
    tag=$(aes ctr "$1" "01${2}0000" "${mac: -32}")
    printf '%s%s' "$(aes ctr "$1" "01${2}0001" "$4")" "${tag:0:16}"
}
# oscore IKM CONTEXT ID(hex) TYPE BYTES (RFC 8613 s.3.2.1)
oscore() {
    openssl kdf -keylen "$5" -kdfopt digest:SHA256 -kdfopt hexkey:"$1" \
        -kdfopt hexsalt: -kdfopt \
        hexinfo:"85$(bstr "$3")$(bstr "$2")0a$(tstr "$4")$(printf '%02x' "$5")" \
        HKDF | lower
}
say() { printf '%s = %s\n' "$1" "$2"; }

kmr=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
short=c0c1c2c3c4c5c6c7c8c9cacbcccdcecf
nd=202122232425262728292a2b2c2d2e2f
ns=303132333435363738393a3b3c3d3e3f
kb=404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f
kg=606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f
kid=060000000100000002a0000003
campaign=a0a1a2a3a4a5a6a7
node=meter-17
gateway=gw-north
digest=$(printf '' | openssl dgst -sha256 -r | cut -c 1-64)

echo '# Keys of docs/wire-format.md s.1, computed by tests/keys/vectors.sh with'
echo '# the openssl command. Values are hex; identities stand as text.'
say kmr $kmr
say provisioned $short
say kmr_from_provisioned "$(extract "$(hex 'muster Kmr')" $short)"
say nd $nd
say ns $ns
say kauth "$(kdf $kmr connect '' 32)"
say kreply "$(kdf $kmr 'connect reply' $nd 16)"
kmc=$(extract "$nd$ns" "$(kdf $kmr Kmc '' 32)")
say kmc "$kmc"
say ka "$(kdf "$kmc" Ka '' 16)"
say kma_lamps "$(kdf "$kmc" Kma "$(hex lamps)" 32)"
kack=$(kdf $kmr ack '' 32)
say kack "$kack"
khop=$(kdf $kmr hop "$(hex $gateway)" 32)
say khop_gw_north "$khop"
say kfb "$(kdf "$khop" feedback '' 16)"
say kb $kb
say kek "$(kdf $kb kek '' 16)"
say kann "$(kdf $kb announce '' 16)"
say kg $kg
kctl=$(kdf $kg control '' 16)
say kctl "$kctl"
say kg_kid $kid
say kb_wrap "$(kdf $kg 'kb wrap' $kid 16)"
say relay "$(kdf $kg relay '' 32)"
poll=420300040501060064a0
say poll_packet $poll
tag=$(hmac "$kctl" $poll 8)
say poll_tag "$tag"
tick=c0c1c2c3c4c5c6c7
say tick_5 $tick
say tick_4 "$(printf '%s' "$(hex 'muster tick')${kctl}0005$tick" | bin |
    openssl dgst -sha256 -r | cut -c 1-16)"
mask=$(hmac "$kctl" "$(hex 'muster tick mask')$poll${tag}0005" 8)
say poll_ticked "$poll${tag}0005$(printf '%016x' $((0x$tick ^ 0x$mask)))"
say campaign $campaign
say digest "$digest"
say ack_meter_17_running "$(hmac "$kack" \
    "$(hex 'muster ack')${campaign}08$(hex $node)0f00$digest" 8)"
say ack_meter_17_failed "$(hmac "$kack" \
    "$(hex 'muster ack')${campaign}08$(hex $node)810f$digest" 8)"

# Connect: epoch 7, a microcontroller that takes 1,048,576 bytes, 65,536 of page
# memory, ES256 and EdDSA. The server's key is 32 times 5a; the
# node's groups are 1 (end to end) and 300 (option 2).
capability=a4011a00100000021a000100000382262704 # then the receiver kind
payload=a401$(bstr $nd)020703${capability}0104$(tstr $gateway)
kauth=$(kdf $kmr connect '' 32)
mac=$(hmac "$kauth" "84$(tstr MAC0)43a10105$(bstr \
    "$(hex 'muster connect 1')$(hex $node)")$(bstr "$payload")" 32)
message1=d18443a10105a104$(bstr "$(hex $node)")$(bstr "$payload")$(bstr "$mac")
say connect1 "$message1"
h1=$(printf '%s' "$message1" | bin | openssl dgst -sha256 -r | cut -c 1-64)
say connect1_digest "$h1"
id=b0b1b2b3b4b5b6b7
pub=$(printf '5a%.0s' {1..32})
say connection_id $id
plain=a701$(bstr $ns)020803$(tstr muster.example)042705$(bstr "$pub")06$(bstr $id)
plain=${plain}07828201008219012c02
aad=83$(tstr Encrypt0)43a1010a$(bstr "$(hex 'muster connect 2')$h1")
message2=d08343a1010aa105$(bstr ${ns:0:26})$(bstr "$(ccm \
    "$(kdf $kmr 'connect reply' $nd 16)" ${ns:0:26} "$aad" "$plain")")
say connect2 "$message2"
ka=$(kdf "$kmc" Ka '' 16)
say oscore_node_key "$(oscore "$ka" $id '' Key 16)"
say oscore_server_key "$(oscore "$ka" $id 01 Key 16)"
say oscore_common_iv "$(oscore "$ka" $id '' IV 13)"
