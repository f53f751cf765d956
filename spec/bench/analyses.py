#!/usr/bin/env python3
"""Two hundred analyses in flight on one worker, each waiting for a slow stand-in model, while HTTP ingest goes on at the
rate of a busy day: the p99 of an accepted batch of 100, without and with them. Then kill -9 in the middle of them: how
many jobs are lost, and how many that had ended run again."""
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
import events
from lib import TOP, Connection, Server, figure, in_threads, percentile, post_bytes

SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
ANALYSES, CONNECTIONS, RATE = 200, 8, 300  # batches a second: 30,000 events/s on the one worker
REQUESTS = [post_bytes(events.batch(n * 100, 100)) for n in range(100)]


class Model:
    """The stand-in model."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, os.path.join(TOP, "spec", "e2e", "model_server.py")],
                                        stdout=subprocess.PIPE, text=True)
        self.url = "http://127.0.0.1:" + self.process.stdout.readline().split()[1]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def threats(first, count):
    """Events that make one threat each, on hosts of their own."""
    return post_bytes(b"".join(json.dumps({
        "event.id": f"t{n}", "organization.name": "bench", "host.name": f"ws-{n}", "user.name": f"user-{n}",
        "process.executable": "C:\\Windows\\System32\\reg.exe",
        "process.command_line": "reg.exe save HKLM\\SAM C:\\Users\\Public\\s.hiv"}).encode() + b"\n"
        for n in range(first, first + count)))


def paced(port, seconds):
    """Latencies in seconds, counted from the moment a batch was due."""
    latencies, lock, taken = [], threading.Lock(), [0]
    total, begin = int(RATE * seconds), time.monotonic() + 0.1

    def work(_):
        connection = Connection(port)
        while True:
            with lock:
                number = taken[0]
                taken[0] += 1
            if number >= total:
                return
            due = begin + number / RATE
            while (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            status, _ = connection.exchange(REQUESTS[number % len(REQUESTS)])
            if status == 202:
                with lock:
                    latencies.append(time.monotonic() - due)

    in_threads(CONNECTIONS, work)
    return latencies, total


def queue(server):
    return server.get("/api/ai/usage")["queue"]


def all_threats(server):
    found, offset = [], 0
    while True:
        page = server.get(f"/api/threats?customer=bench&limit=100&offset={offset}")
        found += page
        offset += 100
        if len(page) < 100:
            return found


def is_idle(server):
    state = queue(server)
    return not any(state[stage][what] for stage in ("findings", "model") for what in ("queued", "in_work"))


def by_model(server):
    return [t for t in all_threats(server) if (t["analysis"] or {}).get("provider") == "model"]


def while_ingest_goes_on(server, model):
    before, _ = paced(server.port, SECONDS / 2)
    model.ask("POST", "/mode", {"mode": "slow", "delay": SECONDS * 1.2 + 5})
    Connection(server.port).exchange(threats(0, ANALYSES))
    begins, _ = paced(server.port, 2)
    server.wait(lambda: queue(server)["model"]["in_work"] == ANALYSES)
    server.wait(lambda: model.ask("GET", "/stats")["in_flight"] >= ANALYSES)
    latencies, total = paced(server.port, SECONDS)
    figure("requests to the model in flight meanwhile", model.ask("GET", "/stats")["in_flight"], "requests")
    figure("analyses in flight on one worker meanwhile", queue(server)["model"]["in_work"], "analyses",
           f">= {ANALYSES}")
    figure("an accepted batch at 30,000 events/s, one worker, no analyses, p99",
           round(percentile(before, 0.99) * 1000, 2), "ms")
    figure("an accepted batch in the two seconds in which 200 analyses begin, p99",
           round(percentile(begins, 0.99) * 1000, 2), "ms")
    figure("an accepted batch with 200 analyses in flight, p99",
           round(percentile(latencies, 0.99) * 1000, 2), "ms", "<= 20")
    figure("batches refused meanwhile", total - len(latencies), f"of {total}", "<= 0")
    model.ask("POST", "/mode", {"mode": "ok"})
    server.wait(lambda: len(by_model(server)) == ANALYSES)


def while_it_is_killed(server, model):
    """The hosts of all threats once each was analysed; what was asked again although it had ended."""
    model.ask("POST", "/mode", {"mode": "slow", "delay": 0.5})
    Connection(server.port).exchange(threats(ANALYSES, 2 * ANALYSES))
    server.wait(lambda: len(by_model(server)) >= ANALYSES + ANALYSES // 2)
    ended = {t["entities"][0] for t in by_model(server)}
    server.kill()
    model.ask("DELETE", "/requests")
    model.ask("POST", "/mode", {"mode": "ok"})
    server.start()
    server.wait(lambda: is_idle(server))
    asked = [r["body"]["messages"][1]["content"] for r in model.ask("GET", "/requests")]
    again = sum(any(f'"{name.split(":", 1)[1]}"' in text for text in asked) for name in ended)
    done = by_model(server)
    figure("analysis jobs lost by kill -9 with 200 in flight", 3 * ANALYSES - len(done), f"of {3 * ANALYSES}", "<= 0")
    figure("analyses that had ended and were asked again", again, f"of {len(ended)}", "<= 0")


with Model() as slow, Server(flags=["--workers", "1", "--ai-url", slow.url + "/v1", "--ai-model", "stand-in",
                                    "--ai-concurrency", str(ANALYSES)]) as one:
    while_ingest_goes_on(one, slow)
    while_it_is_killed(one, slow)
