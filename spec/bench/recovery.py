#!/usr/bin/env python3
"""kill -9 after ten seconds of full load; then the time from the start until ready."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
import events
from lib import Connection, Server, figure, post_bytes

SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
REQUESTS = [post_bytes(events.batch(n * 100, 100)) for n in range(100)]

with Server(flags=["--workers", "2"]) as server:
    stop, accepted = threading.Event(), [0] * 4

    def load(index):
        try:
            connection = Connection(server.port)
            while not stop.is_set():
                if connection.exchange(REQUESTS[accepted[index] % len(REQUESTS)])[0] == 202:
                    accepted[index] += 1
        except OSError:
            pass  # it was killed

    threads = [threading.Thread(target=load, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)  # the length of the load, not a wait for something
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    seconds = server.start()
    figure("start to ready after kill -9 at full load", round(seconds, 2), "s", "<= 5")
    left = sum(accepted) * 100 - server.get("/api/ledger")["events"]["accepted"]
    figure("acknowledged events missing after it", max(0, left), f"of {sum(accepted) * 100}", "<= 0")
