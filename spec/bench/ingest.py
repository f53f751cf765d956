#!/usr/bin/env python3
"""HTTP NDJSON ingest: batches of 100 events of 1 KB, two workers, journal on. First as fast as four connections
can, then at 70 % of that, where the latency of an accepted batch is counted from the moment it was due."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
import events
from lib import Connection, Server, figure, in_threads, percentile, post_bytes

SIZE, CONNECTIONS = 100, 4
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
REQUESTS = [post_bytes(events.batch(n * SIZE, SIZE)) for n in range(200)]


def flat_out(port):
    """Batches a second."""
    counts = [0] * CONNECTIONS
    end = time.monotonic() + SECONDS

    def work(index):
        connection = Connection(port)
        while time.monotonic() < end:
            status, body = connection.exchange(REQUESTS[(index * 50 + counts[index]) % len(REQUESTS)])
            if status != 202:
                sys.exit(f"{status}: {body[:300]}")
            counts[index] += 1

    begin = time.monotonic()
    in_threads(CONNECTIONS, work)
    return sum(counts) / (time.monotonic() - begin)


def paced(port, rate):
    """Latencies in seconds of batches that come at `rate` a second, over as many connections as that needs."""
    latencies, lock = [], threading.Lock()
    total, taken = int(rate * SECONDS), [0]
    begin = time.monotonic() + 0.1

    def work(_):
        connection = Connection(port)
        while True:
            with lock:
                number = taken[0]
                taken[0] += 1
            if number >= total:
                return
            due = begin + number / rate
            while (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            status, _ = connection.exchange(REQUESTS[number % len(REQUESTS)])
            if status == 202:
                with lock:
                    latencies.append(time.monotonic() - due)

    in_threads(CONNECTIONS * 4, work)
    return latencies, total


def main():
    with Server(flags=["--workers", "2"]) as server:
        rate = flat_out(server.port)
        figure("HTTP ingest, batches of 100, 2 workers", round(rate * SIZE), "events/s", ">= 150000")
        latencies, total = paced(server.port, rate * 0.7)
        figure("an accepted batch at 70 % load, p99", round(percentile(latencies, 0.99) * 1000, 2), "ms", "<= 20")
        figure("batches refused at 70 % load", total - len(latencies), "of %d" % total, "<= 0")
        ledger = server.get("/api/ledger")
        figure("events missing from the ledger", ledger["events"]["accepted"] - ledger["events"]["judged"]
               - ledger["events"].get("pending", 0), "events", "<= 0")


main()
