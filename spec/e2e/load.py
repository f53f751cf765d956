#!/usr/bin/env python3
"""Posts numbered events in numbered batches and writes down which batches were acknowledged.

    load.py URL --batches 100 --size 20 --users 500 --action e2e-knock --acked FILE

Event n has the user `u<n modulo users>`, so that the members of one group come in different batches. Batch b has
the Idempotency-Key `KEY-<b>`: a batch that got no answer (the server died, or was full) is sent again, the same,
until it is acknowledged or `--patience` is over. The last line of output is a JSON object that sums up.
"""
import argparse
import http.client
import json
import queue
import sys
import threading
import time
from urllib.parse import urlsplit


class Load:
    def __init__(self, options):
        self.options = options
        self.todo = queue.Queue()
        for batch in range(options.batches):
            self.todo.put(batch)
        self.lock = threading.Lock()
        self.acked = open(options.acked, "w", encoding="utf-8") if options.acked else None
        self.sums = {"acked": 0, "accepted": 0, "rejected": 0, "retries": 0, "given_up": 0, "refused": {}}
        self.deadline = time.monotonic() + options.patience

    def body(self, batch):
        size, users = self.options.size, self.options.users
        lines = []
        for n in range(batch * size, (batch + 1) * size):
            lines.append(json.dumps({"event": {"action": self.options.action},
                                     "user": {"name": f"u{n % users}"}, "source": {"ip": "192.0.2.7"}}))
        return "\n".join(lines).encode()

    def port(self):
        """The server may come back on another port: it is then read from a file."""
        if self.options.port_file:
            with open(self.options.port_file, encoding="utf-8") as file:
                return int(file.read())
        return urlsplit(self.options.url).port

    def post(self, connection, batch):
        connection.request("POST", "/api/events", self.body(batch), {
            "Content-Type": "application/x-ndjson", "Idempotency-Key": f"{self.options.key}-{batch}"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def note(self, batch, answer):
        with self.lock:
            self.sums["acked"] += 1
            self.sums["accepted"] += answer["accepted"]
            self.sums["rejected"] += answer["rejected"]
            if self.acked:
                self.acked.write(f"{batch}\n")
                self.acked.flush()

    def count(self, name, key=None):
        with self.lock:
            if key is None:
                self.sums[name] += 1
            else:
                self.sums[name][key] = self.sums[name].get(key, 0) + 1

    def deliver(self, connection, batch):
        """Sends one batch until it is acknowledged; gives back the connection to go on with."""
        while time.monotonic() < self.deadline:
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=30)
                status, text = self.post(connection, batch)
                if status == 202:
                    self.note(batch, json.loads(text))
                    return connection
                self.count("refused", str(status))
                if status < 500 and status not in (408, 429):
                    break
            except (OSError, http.client.HTTPException, ValueError):
                if connection is not None:
                    connection.close()
                connection = None
            self.count("retries")
            time.sleep(0.02)  # between two attempts
        self.count("given_up")
        return connection

    def worker(self):
        connection = None
        while True:
            try:
                batch = self.todo.get_nowait()
            except queue.Empty:
                break
            connection = self.deliver(connection, batch)
        if connection is not None:
            connection.close()

    def run(self):
        threads = [threading.Thread(target=self.worker) for _ in range(self.options.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps(self.sums))
        return 0 if self.sums["given_up"] == 0 else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--size", type=int, default=20)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--action", default="e2e-single")
    parser.add_argument("--key", default="e2e")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--patience", type=float, default=120)
    parser.add_argument("--acked", default="")
    parser.add_argument("--port-file", default="")
    sys.exit(Load(parser.parse_args()).run())


main()
