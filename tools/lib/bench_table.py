"""Reads figures as JSON lines and prints the table of docs/benchmarks.md: the median of each, in order of arrival."""
import json
import statistics
import sys

about, runs = sys.argv[1:3]
figures = {}
for line in sys.stdin:
    one = json.loads(line)
    figures.setdefault(one["name"], []).append(one)


def is_met(bar, value):
    if not bar:
        return ""
    relation, limit = bar.split()
    met = value >= float(limit) if relation == ">=" else value <= float(limit)
    return "yes" if met else "**no**"


def shown(value):
    return f"{value:,}" if isinstance(value, int) or value >= 1000 else f"{value:g}"


print(f"\n{about}. The median of {runs} runs; counts and memory growth of one.\n")
print("| figure | value | bar | met | command |\n|---|---|---|---|---|")
for name, all_runs in figures.items():
    value = statistics.median(run["value"] for run in all_runs)
    value = int(value) if value == int(value) else value
    last = all_runs[-1]
    bar = last["bar"].replace("<=", "≤").replace(">=", "≥")
    print(f"| {name} | {shown(value)} {last['unit']} | {bar} | {is_met(last['bar'], value)} | `{last['command']}` |")
