#!/usr/bin/env python3
"""A thousand dashboards on one server (spec/bench/fanout.c): how fast, how late, and that nobody misses a threat."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lib import LUNETTE, TOP, Server

PROGRAM = os.path.join(os.path.dirname(LUNETTE), "spec", "bench_fanout")

with Server(rules=os.path.join(TOP, "spec/e2e/rules"), flags=["--workers", "2"]) as server:
    subprocess.run([PROGRAM, str(server.port), str(server.process.pid)], check=True)
