#!/usr/bin/env python3
"""Reload of 500 rules with their tests, from the save of one file until every worker runs the new tree."""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
from lib import Server, figure

RULE = """local one = sample {{ ["event.action"] = "action-{n}", ["user.name"] = "ana" }}
return rule {{
  id = "bench.rule_{n}", title = "Rule {n}", version = 1, severity = "low", type = "anomaly_detection",
  match = {{ ["event.action"] = "action-{n}" }},
  group = {{ by = {{ "user.name" }}, window = "10m", count = 2 }},
  tests = {{
    {{ "two fire", events = at({{ 0, 60 }}, one), expect = {{ threats = 1 }} }},
    {{ "one does not", events = at({{ 0 }}, one), expect = {{ threats = 0 }} }},
  }},
}}
"""


def save(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


with tempfile.TemporaryDirectory() as rules:
    for n in range(500):
        save(os.path.join(rules, f"rule_{n}.lua"), RULE.format(n=n))
    with Server(rules=rules, flags=["--workers", "2"]) as server:
        before = server.get("/api/rules/status")["hash"]
        begin = time.monotonic()
        save(os.path.join(rules, "rule_7.lua"), RULE.format(n=7).replace("low", "high"))
        server.wait(lambda: server.get("/api/rules/status")["hash"] != before)
        figure("reload, 500 rules with their tests, save to live on every worker",
               round(time.monotonic() - begin, 3), "s", "<= 1")
