#!/usr/bin/env python3
"""Memory while ten million events go through: the growth from the second million to the tenth.

The same four connections send all of it. Which worker has a connection is chance, and each worker keeps what its
largest burst needed: with new connections on the way, how many are one worker's changes, and so would the memory.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import events
from lib import Connection, Server, figure, in_threads, post_bytes

MILLIONS = int(os.environ.get("BENCH_MILLIONS", "10"))
REQUESTS = [post_bytes(events.batch(n * 1000, 1000)) for n in range(50)]

with Server(flags=["--workers", "2", "--journal-max", "256MiB"]) as server:
    connections = [Connection(server.port) for _ in range(4)]

    def million(index):
        for n in range(250):
            status, body = connections[index].exchange(REQUESTS[(index * 13 + n) % len(REQUESTS)])
            if status != 202:
                sys.exit(f"{status}: {body[:300]}")

    warm = 0
    for n in range(MILLIONS):
        in_threads(4, million)
        if n == 1:
            warm = server.memory()
    figure(f"memory after {MILLIONS} M events", round(server.memory() / 1e6, 1), "MB")
    figure("growth from 2 M events on", round((server.memory() - warm) / 1e6, 1), "MB", "<= 8")
