#!/usr/bin/env python3
"""Start to ready with the shipped rules on an empty data folder, and the memory it then has."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from lib import Server, figure

server = Server()
with server:
    # __enter__ started it once; a second start finds the caches of the file system warm, as a restart does
    server.process.terminate()
    server.process.wait()
    seconds = server.start()
    figure("start to ready, shipped rules", round(seconds * 1000), "ms", "<= 200")
    figure("memory, shipped rules, idle", round(server.memory() / 1e6, 1), "MB", "<= 40")
