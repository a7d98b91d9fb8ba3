# SPDX-License-Identifier: Apache-2.0
"""A TCP flow: `recv PORT` prints its port, and then the bytes of each tenth of a
second; `send HOST PORT SECONDS` fills it."""
import socket
import sys
import time


def recv(port):
    with socket.create_server(("0.0.0.0", port)) as server:
        print('{"listen": true}', flush=True)
        conn, _ = server.accept()
        with conn:
            total = 0
            told = time.time()
            conn.settimeout(0.1)
            while True:
                try:
                    data = conn.recv(65536)
                except TimeoutError:
                    data = None
                if data == b"":
                    return
                total += len(data or b"")
                if time.time() - told >= 0.1:
                    told = time.time()
                    print(f"{told:.3f} {total}", flush=True)


def send(host, port, seconds):
    end = time.time() + seconds
    block = bytes(65536)
    with socket.create_connection((host, port)) as conn:
        conn.settimeout(1)
        while time.time() < end:
            try:
                conn.send(block)
            except TimeoutError:
                pass


if sys.argv[1] == "recv":
    recv(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
