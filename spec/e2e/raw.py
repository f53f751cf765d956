#!/usr/bin/env python3
"""Raw bytes to an HTTP server, for what curl would not send.

    raw.py PORT < BYTES           sends them; prints the status of each answer, then `closed` or `open`
    raw.py PORT --drip < BYTES    one byte each 100 ms, until the server has had enough; prints the same
    raw.py PORT --probe FILE.gz   sends each request of the Http11Probe set that must get a 400; prints those that
                                  were answered otherwise, ends 1 when there was one
"""
import base64
import gzip
import json
import re
import socket
import sys
import time

PATIENCE = 40
EVENTS_HEAD = b"POST /api/events HTTP/1.1\r\nContent-Type: application/json\r\n"


def statuses(data):
    return re.findall(rb"HTTP/1\.1 (\d{3})", data)


def exchange(port, request, drip=False, patience=PATIENCE):
    """(bytes that came back, whether the server closed the connection)"""
    data = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.settimeout(0.1 if drip else patience)
        pending = list(request[i : i + 1] for i in range(len(request))) if drip else [request]
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                if pending:
                    connection.sendall(pending.pop(0))
                    if not drip:
                        connection.settimeout(1)  # an answer that leaves the connection open has come by then
                part = connection.recv(65536)
                if not part:
                    return data, True
                data += part
            except TimeoutError:
                if not pending and data:
                    return data, False
            except OSError:
                return data, True
    return data, False


def probe(port, path):
    wrong = count = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            expected = case["expected"]
            if not case["raw_b64"] or case["rfc_level"] != "Must" or expected["status"] != "Exact(400)":
                continue
            count += 1
            # "/" takes no POST: the answer would come before the body is looked at
            request = base64.b64decode(case["raw_b64"])
            request = request.replace(b"POST / HTTP/1.1\r\n", EVENTS_HEAD, 1)
            data, closed = exchange(port, request, patience=15)
            got = [status.decode() for status in statuses(data)]
            fine = got[:1] in (["400"], ["501"]) and closed or (not got and closed and expected["allow_close"])
            if not fine or len(got) > 1:
                wrong += 1
                print(f"{case['id']}: {got} {'closed' if closed else 'open'}: {case['description']}")
    print(f"{count} requests, {wrong} answered wrongly")
    return 1 if wrong or not count else 0


def main():
    port = int(sys.argv[1])
    if sys.argv[2:3] == ["--probe"]:
        return probe(port, sys.argv[3])
    data, closed = exchange(port, sys.stdin.buffer.read(), drip="--drip" in sys.argv)
    for status in statuses(data):
        print(status.decode())
    print("closed" if closed else "open")
    return 0


sys.exit(main())
