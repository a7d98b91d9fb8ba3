#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks tests/vectors/cast.txt from docs/wire-format.md s.6 alone.

A second implementation in the shortest and slowest form: cuts, parity, hashes,
tags; encryption by the openssl command. It shares no line with the library.
"""
import hashlib
import hmac
import subprocess
import sys


def read(path):
    """The cuts, and the one prepared object with its packets."""
    cuts, made, packets, in_object = [], {}, [], False
    for line in open(path):
        if line.startswith("#"):
            in_object = in_object or "prepared" in line
            continue
        name, _, value = line.strip().partition(" = ")
        if not name:
            continue
        if name == "packet":
            packets.append(bytes.fromhex(value))
        elif in_object:
            made[name] = value
        elif name == "coefficient":
            k, j, i, value = (int(v) for v in value.split())
            assert coefficient(k, j, i) == value, (k, j, i)
        elif name == "shape":
            cuts.append({"shape": [int(v) for v in value.split()], "page": []})
        elif name == "page":
            cuts[-1]["page"].append([int(v) for v in value.split()])
        else:
            cuts[-1][name] = int(value)
    return cuts, made, packets


def cut(shape, size):
    """Rows: index, k, m, T, hash bytes, content from, content bytes."""
    payload, most_k, most_m, h = shape
    full = payload - 3

    def m(k):
        return min(most_m, -(-k * most_m // most_k) + 2 +
                   min(most_m, 128) // 16) \
            if most_m else 0

    def fits(c):
        return max((k for k in range(1, most_k + 1) if (k + m(k)) * h <= c),
                   default=0)

    def rows_from(k):
        if (k + m(k)) * h >= k * full:
            return None
        rows, left, at = [], size, 0
        while left > k * full:
            k, left, at = one(rows, k, left, at)
        k = -(-left // full)
        rows.append([len(rows), k, m(k), -(-left // k), 0, at, left])
        return rows

    def one(rows, k, left, at):
        c = k * full
        limit = fits(c)
        after = next((n for n in range(1, limit + 1)
                      if left - (c - (n + m(n)) * h) <= n * full), limit)
        hashes = (after + m(after)) * h
        rows.append([len(rows), k, m(k), full, hashes, at, c - hashes])
        return after, left - (c - hashes), at + c - hashes

    room = min(payload, 1024)
    high = fits(room - 400 if room >= 656 else 256)
    if size <= high * full:
        return rows_from(-(-size // full))
    low, most = 1, len(rows_from(high))
    while low < high:
        middle = (low + high) // 2
        rows = rows_from(middle)
        if rows is not None and len(rows) <= most:
            high = middle
        else:
            low = middle + 1
    return rows_from(high)


def multiply(a, b):
    r = 0
    for i in range(8):
        if b >> i & 1:
            r ^= a << i
    for i in range(15, 7, -1):
        if r >> i & 1:
            r ^= 0x11D << (i - 8)
    return r


INVERSE = {a: b for a in range(1, 256) for b in range(1, 256)
           if multiply(a, b) == 1}


def coefficient(k, j, i):
    if k + j < 255:
        return INVERSE[(255 - j) ^ i]
    x = (j * 1024 + i) * 0x9E3779B1 % 2**32
    x = (x ^ x >> 15) * 0x85EBCA77 % 2**32
    return (x ^ x >> 13) >> 24


def parity(data, j):
    out = bytearray(len(data[0]))
    for i, symbol in enumerate(data):
        by = coefficient(len(data), j, i)
        for t, v in enumerate(symbol):
            out[t] ^= multiply(by, v)
    return bytes(out)


def prepare(shape, session, content):
    """Prepared object, root hashes, packets."""
    h, hashes, prepared, packets = shape[3], b"", b"", []
    for index, k, m, length, hashes_len, at, n in reversed(
            cut(shape, len(content))):
        assert len(hashes) == hashes_len
        block = (hashes + content[at:at + n]).ljust(k * length, b"\0")
        symbols = [block[i * length:(i + 1) * length] for i in range(k)]
        symbols += [parity(symbols, j) for j in range(m)]
        page = [bytes([0x80 | index % 32 << 2 | i >> 8, session, i % 256]) + s
                for i, s in enumerate(symbols)]
        hashes = b"".join(hashlib.sha256(p).digest()[:h] for p in page)
        prepared = block + prepared
        packets = page + packets
    return prepared, hashes, packets


def main(path):
    cuts, made, packets = read(path)
    for c in cuts:
        rows = cut(c["shape"], c["size"])
        assert len(rows) == c["pages"], c
        for row in c["page"]:
            assert rows[row[0]] == row, (row, rows[row[0]])
    content = subprocess.run(
        ["openssl", "enc", "-aes-128-ctr", "-K", made["cek"], "-iv", "0" * 32],
        input=bytes(i % 256 for i in range(499)), capture_output=True,
        check=True).stdout
    prepared, roots, want = prepare([int(v) for v in made["shape"].split()],
                                    int(made["session"]), content)
    assert prepared.hex() == made["prepared"]
    assert roots.hex() == made["roots"]
    assert packets == want
    for name, key in (("poll", "kctl"), ("need", "kfb"), ("census", "kctl"),
                      ("status", "kfb")):
        packet = bytes.fromhex(made[name])
        tag = hmac.new(bytes.fromhex(made[key]), packet[:-8], hashlib.sha256)
        assert packet[-8:] == tag.digest()[:8], name
    assert len(cuts) >= 10 and len(packets) >= 16
    print("ok: %d cuts, %d packets" % (len(cuts), len(packets)))


main(sys.argv[1])
