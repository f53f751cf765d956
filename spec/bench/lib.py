"""What the benchmarks share: a server of their own, load over keep-alive connections, percentiles.

A benchmark is a script of spec/bench that prints JSON lines, one a figure: {"name", "value", "unit", "bar"}, where
`bar` is "<= N", ">= N" or "". tools/bench runs it several times and shows the median.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LUNETTE = os.path.join(os.environ.get("BUILD", os.path.join(TOP, "build")), "lunette")


def figure(name, value, unit, bar=""):
    print(json.dumps({"name": name, "value": value, "unit": unit, "bar": bar}, ensure_ascii=False), flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Server:
    """`lunette serve` on a free port with a data folder that goes away at the end."""

    def __init__(self, rules=None, flags=()):
        self.folder = tempfile.mkdtemp(prefix="lunette-bench-")
        self.rules = rules or os.path.join(TOP, "rules")
        self.flags = list(flags)
        self.process = None
        self.port = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Starts and waits for ready; seconds from exec to the first 200 of /ready."""
        log = os.path.join(self.folder, "log")
        begin = time.monotonic()
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [LUNETTE, "serve", "--listen", "127.0.0.1:0", "--data", os.path.join(self.folder, "data"),
                 "--rules", self.rules, "--plugins", os.path.join(TOP, "plugins"), *self.flags],
                stderr=out, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.port = self.wait(lambda: self.port_in(log))
        self.wait(self.is_ready)
        return time.monotonic() - begin

    def wait(self, condition, patience=60):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            result = condition()
            if result:
                return result
            if self.process.poll() is not None:
                with open(os.path.join(self.folder, "log"), encoding="utf-8") as log:
                    sys.exit("the server ended:\n" + log.read()[-2000:])
            time.sleep(0.001)  # between two looks at the condition
        sys.exit(f"gave up waiting after {patience} s")

    def port_in(self, log):
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                if '"serve.listening"' in line and line.endswith("\n"):
                    return json.loads(line)["port"]
        return None

    def is_ready(self):
        try:
            status, _ = Connection(self.port).get("/ready")
        except OSError:
            return False
        return status == 200

    def kill(self):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        return json.loads(Connection(self.port).get(path)[1])

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Connection:
    """HTTP/1.1 over one socket, with as little of Python between as will do."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def exchange(self, request):
        """(status, body)"""
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, value = line.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        while len(self.buffer) < length:
            self.more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(head.split(b" ", 2)[1]), body

    def more(self):
        data = self.socket.recv(262144)
        if not data:
            raise OSError("the server closed the connection")
        self.buffer += data

    def get(self, path):
        return self.exchange(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())


def post_bytes(body, content_type="application/x-ndjson"):
    return (f"POST /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def in_threads(count, work):
    """Runs work(index) in so many threads."""
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
