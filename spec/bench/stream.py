#!/usr/bin/env python3
"""One event, from POST to its WebSocket frame, at 1,000 posts a second: every event raises a threat of its own."""
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from lib import TOP, Connection, Server, figure, in_threads, percentile, post_bytes

RATE, CONNECTIONS = 1000, 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))


def listen(port, seen, started):
    """Notes when each threat's frame came, by its title. In a process of its own: it must not wait for ours."""
    program = [os.path.join(TOP, "tools", "watch"), "--url", f"http://127.0.0.1:{port}", "--query", "view=row",
               "--stamp"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as watch:
        for line in watch.stdout:
            stamp, text = line.split(" ", 1)
            message = json.loads(text)
            started.set()
            if message["type"] == "new_threat":
                seen[message["data"]["title"]] = float(stamp)
                if len(seen) >= int(RATE * SECONDS):
                    watch.terminate()


def main():
    sent, seen, started = {}, {}, threading.Event()
    total = int(RATE * SECONDS)
    with Server(rules=os.path.join(TOP, "spec/e2e/rules"), flags=["--workers", "2"]) as server:
        listener = threading.Thread(target=listen, args=(server.port, seen, started))
        listener.start()
        started.wait(30)
        begin = time.monotonic() + 0.1

        def work(index):
            connection = Connection(server.port)
            for number in range(index, total, CONNECTIONS):
                body = b'{"event":{"action":"e2e-single"},"user":{"name":"b%d"}}' % number
                due = begin + number / RATE
                while (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                sent[f"Seen: b{number}"] = due
                status, answer = connection.exchange(post_bytes(body, "application/json"))
                if status != 202:
                    sys.exit(f"{status}: {answer[:300]}")

        in_threads(CONNECTIONS, work)
        listener.join(30)
    latencies = [seen[title] - due for title, due in sent.items() if title in seen]
    figure("POST to WebSocket frame at 1,000 posts/s, median", round(percentile(latencies, 0.5) * 1000, 2), "ms")
    figure("POST to WebSocket frame at 1,000 posts/s, p99", round(percentile(latencies, 0.99) * 1000, 2), "ms",
           "<= 10")
    figure("threats without a frame", total - len(latencies), f"of {total}", "<= 0")


main()
