#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/vectors/rekey.txt from docs/wire-format.md s.9 alone.

A second implementation in the shortest and slowest form; AES by the openssl
command. It shares no line with the library.
    tests/schemes/vectors.py >tests/vectors/rekey.txt
"""
import hashlib
import hmac
import struct
import subprocess

MASTER = bytes(range(32))
BASE = 7 << 32 | 1
NOW = 7 << 32 | 2
KID = struct.pack(">BIQ", 5, 9, NOW)
SEED = bytes(range(0x80, 0x90))  # what random gives


def kdf(key, label, context, n=16):
    info = b"muster1\0" + label.encode() + b"\0" + context + b"\1"
    return hmac.new(key, info, hashlib.sha256).digest()[:n]


def aes(key, block):
    return subprocess.run(
        ["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", key.hex()],
        input=block, capture_output=True, check=True).stdout


def prf(label, a, b=0):
    return kdf(MASTER, label, struct.pack(">QII", BASE, a, b))


def node(level, index):
    return (2 * index + 1) << level


def label(top, end):
    """top, end: (level, index); LABEL(top, end)."""
    if top == end:
        return prf("sd all", node(*top))
    key = prf("sd label", node(*top))
    for level in range(top[0] - 1, end[0] - 1, -1):
        bit = end[1] >> (level - end[0]) & 1
        key = kdf(key, "sd right" if bit else "sd left", b"")
    return key


def part(scheme, extra, entries, seed):
    text = bytes([0x50 | scheme]) + KID + struct.pack(">QHHH", BASE, 0, 1,
                                                      len(entries))
    text += extra + b"".join(entries)
    tag = hmac.new(kdf(seed, "rekey tag", KID, 32), text, hashlib.sha256)
    return text + tag.digest()[:16], kdf(seed, "group key", KID, 32)


def sd(tops_and_ends):
    """Entries in the order of the walk."""
    out = []
    for top, end in tops_and_ends:
        code = node(*end) << 5 | top[0] - end[0]
        out.append(struct.pack(">I", code) +
                   aes(kdf(label(top, end), "sd key", b""), SEED))
    return part(6, b"", out, SEED)


def cs(nodes):
    return part(5, b"", [struct.pack(">I", node(*n) << 5) +
                         aes(prf("cs", node(*n)), SEED) for n in nodes], SEED)


def cluster_index(top, end):
    code = struct.pack(">I", node(*end) << 5 | top[0] - end[0])
    return part(2, b"\1", [code], kdf(label(top, end), "sd index", KID))


def ladder(chs):
    kdk = prf("kdk", 1, chs[0])
    for ch in chs[1:]:
        kdk = kdf(kdk, "kdk", struct.pack(">I", ch))
    extra = bytes([len(chs)]) + b"".join(struct.pack(">I", c) for c in chs)
    return part(3, extra, [], kdf(kdk, "tgk", KID))


def lkh(previous, height, steps, version):
    """steps: (level, index, link) wraps the parent; version(level, index)."""
    def key(level, index):
        return prf("lkh", level << 27 | index, version(level, index))
    out = []
    for level, index, link in steps:
        kek = kdf(key(level, index), "lkh wrap", b"")
        out.append(struct.pack(">I", level << 27 | link << 26 | index) +
                   aes(kek, key(level + 1, index // 2)))
    seed = kdf(key(height, 0), "lkh seed", KID)
    return part(4, struct.pack(">IB", previous, height), out, seed)


def ccm(key, nonce, aad, text, tag_len=8):
    """RFC 3610 with a length field of two bytes."""
    def xor(a, b):
        return bytes(x ^ y for x, y in zip(a, b))

    def pad(data):
        return data + bytes(-len(data) % 16)
    b0 = bytes([0x40 | (tag_len - 2) // 2 << 3 | 1]) + nonce
    blocks = b0 + struct.pack(">H", len(text))
    blocks += pad(struct.pack(">H", len(aad)) + aad) + pad(text)
    mac = bytes(16)
    for i in range(0, len(blocks), 16):
        mac = aes(key, xor(mac, blocks[i:i + 16]))
    stream = b"".join(aes(key, b"\1" + nonce + struct.pack(">H", i))
                      for i in range(len(text) // 16 + 2))
    return xor(text, stream[16:]) + xor(mac[:tag_len], stream)


def personal(scheme, slot, group_key, body):
    head = bytes([0x60 | scheme]) + KID + struct.pack(">QI", BASE, slot)
    key = kdf(prf("device", slot), "personal", KID)
    return head + ccm(key, bytes(13), head, group_key + body)


def cbor(item):
    """Deterministic CBOR of numbers, bytes, lists and maps."""
    def head(major, n):
        for add, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 24:
                return bytes([major << 5 | n])
            if n < 1 << 8 * size:
                return bytes([major << 5 | add]) + n.to_bytes(size, "big")
    if isinstance(item, int):
        return head(0, item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(map(cbor, item))
    return head(5, len(item)) + b"".join(cbor(k) + cbor(item[k])
                                         for k in sorted(item))


def say(name, pair):
    print(f"{name} = {pair[0].hex()}")
    print(f"{name}_key = {pair[1].hex()}")


print("# Rekey messages of docs/wire-format.md s.9, by tests/schemes/vectors.py.")
print("# Master secret 00 .. 1f, base 7 << 32 | 1, kid kind 5, scope 9, generation")
print("# 7 << 32 | 2; random gives 80 .. 8f. Eight members; LKH has degree 2 and")
print("# four members, clusters are four, the ladder has three levels.")
say("sd_0_and_7_left", sd([((2, 0), (0, 0)), ((2, 1), (0, 7))]))
say("sd_all_in", sd([((3, 0), (3, 0))]))
say("cs_0_left", cs([(0, 1), (1, 1), (2, 1)]))
say("cluster_of_0_changed", cluster_index((2, 0), (0, 0)))
say("ladder_level_2_changed", ladder([1, 2, 2]))
say("lkh_1_left", lkh(1, 2, [(0, 0, 0), (1, 0, 1), (1, 1, 0)],
                      lambda level, i: 2 if (level, i) in ((1, 0), (2, 0))
                      else 0))
KEY = kdf(SEED, "group key", KID, 32)
print(f"unicast_slot_3 = {personal(1, 3, KEY, b'').hex()}")

# How it travels: s.5.5, s.7, s.4.
LEFT, LEFT_KEY = sd([((2, 0), (0, 0)), ((2, 1), (0, 7))])
CAMPAIGN = bytes(range(0xa0, 0xa8))
print(f"inline_payload = "
      f"{cbor({0: 3, 1: CAMPAIGN, 2: 9, 8: 17, 13: 7, 17: 0, 18: 1, 19: 1, 20: LEFT}).hex()}")
print(f"held = {kdf(LEFT_KEY, 'held', KID, 32).hex()}")
STATE = bytes([0x76]) + KID + struct.pack(">QI", BASE, 3) + prf("device", 3)
print(f"fetch_request = "
      f"{cbor({1: [KID], 2: [[9, BASE, NOW]], 3: [300, BASE, NOW, 512]}).hex()}")
print(f"fetch_answer = "
      f"{cbor({1: [[KID, LEFT_KEY, 0]], 2: [[9, 0]], 3: 7, 4: [9, 203, 0, STATE]}).hex()}")
