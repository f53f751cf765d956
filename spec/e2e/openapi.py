#!/usr/bin/env python3
"""Holds /openapi.json against the server that serves it, and against docs/http-api.md: openapi.py URL TOP

Every path knows the methods that are described and no others; every GET answers what its schema says, property by
property; every parameter is taken, and the source and the page know the same ones. Says what differs and ends with 1.
"""
import json
import re
import sys
import urllib.error
import urllib.request

URL, TOP = sys.argv[1], sys.argv[2]
wrong = []
seen = {}  # schema name -> properties that came
EXAMPLES = {"as_of": "1000", "since": "2000-01-01T00:00:00Z", "until": "2200-01-01T00:00:00Z", "limit": "5",
            "offset": "0", "cursor": "1000", "view": "full", "sort": "oldest", "severity": "high,low",
            "status": "new,resolved", "verdict": "none,inconclusive", "review": "false", "shadow": "true",
            "suppressed": "true", "bucket": "24h"}


ONLY_BY_A_MODEL = {"severity_raised"}  # there is none here


def ask(path, method="GET", accept="application/json"):
    request = urllib.request.Request(URL + path, method=method, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def load(path):
    return json.loads(ask(path)[2])


DOC = load("/openapi.json")
SCHEMAS = DOC["components"]["schemas"]
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list,
         "null": type(None)}


def is_of(kind, value):
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def check_object(where, name, schema, value):
    known = schema["properties"]
    seen.setdefault(name, set()).update(value)
    wrong.extend(f"{where}: {key} is not described" for key in value if key not in known)
    wrong.extend(f"{where}: {key} is missing" for key in schema["required"] if key not in value)
    for key in known.keys() & value.keys():
        check(f"{where}.{key}", known[key], value[key])


def check(where, schema, value):
    name = ""
    if "anyOf" in schema:
        if value is None:
            return
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        schema = SCHEMAS[name]
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{where}: {value!r} is none of {schema['enum']}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_of(kind, value) for kind in kinds):
        wrong.append(f"{where}: {value!r} is no {' or '.join(kinds)}")
    elif "properties" in schema:
        check_object(where, name, schema, value)
    elif "items" in schema:
        for item in value:
            check(f"{where}[]", schema["items"], item)


def concrete(path):
    if path.startswith("/api/rules/{"):
        return path.replace("{id}", "e2e.single")
    if path.startswith("/api/lists/{"):
        return path.replace("{name}", load("/api/lists")[0]["name"])
    if path.startswith("/api/threats/{"):
        threat = load("/api/threats?limit=1")[0]
        return path.replace("{id}", threat["id"]).replace(
            "{action_id}", threat["response_plan"]["primary_action"]["id"])
    return re.sub(r"\{[a-z_]+\}", "x", path)


def matches(pattern, path):
    parts = [part if part[:1] != "{" else "[^/]+" for part in pattern.split("/")]
    return re.fullmatch("/".join(parts), path)


def check_methods(path):
    """A path like /api/rules/reload is one of /api/rules/{id} too."""
    one = concrete(path)
    allowed = {word.lower() for word in ask(one, "OPTIONS")[1].get("Allow", "").split(", ")}
    described = {method for other, methods in DOC["paths"].items() if matches(other, one) for method in methods}
    if allowed - {"head", "options"} != described:
        wrong.append(f"{path}: described {sorted(described)}, allowed {sorted(allowed)}")


def check_get(path, operation):
    ok = operation["responses"].get("200", {}).get("content", {})
    if "application/json" not in ok or path.startswith(("/assets", "/favicon")):
        return
    status, _, body = ask(concrete(path))
    if status != 200:
        wrong.append(f"{path}: {status}")
        return
    check(path, ok["application/json"]["schema"], json.loads(body))
    for name in [p["name"] for p in operation["parameters"] if p["in"] == "query"]:
        status = ask(f"{concrete(path)}?{name}={EXAMPLES.get(name, 'x')}")[0]
        if status != 200:
            wrong.append(f"{path}: ?{name}= is {status}")


def same(what, left, right):
    if left != right:
        wrong.append(f"{what}: {sorted(left ^ right)} only on one side")


def query_names(path):
    return {p["name"] for p in DOC["paths"][path]["get"]["parameters"] if p["in"] == "query"}


def main():
    for path, operations in DOC["paths"].items():
        check_methods(path)
        if "get" in operations and path != "/ws":
            check_get(path, operations["get"])
    check("/api/threats?view=row", {"type": "array", "items": {"$ref": "#/components/schemas/Threat"}},
          load("/api/threats?view=row"))
    for name in ("Threat", "Rule", "Scorecard", "Analytics", "Ledger", "Note", "CheckedNote", "Similar", "Evidence",
                 "Observation", "Usage", "AnalysisQueue", "List", "ListSummary", "OverlayInfo", "OverlayText"):
        same(f"properties of {name}", seen.get(name, set()), set(SCHEMAS[name]["properties"]) - ONLY_BY_A_MODEL)
    with open(f"{TOP}/core/app/routes_threats.c", encoding="utf-8") as source:
        text = source.read()
    read = set(re.findall(r'strcmp\(name, "(\w+)"\)', text)) | set(re.findall(r'\{"(\w+)", &q->', text))
    same("parameters of /api/threats and of its source", read, query_names("/api/threats"))
    with open(f"{TOP}/docs/http-api.md", encoding="utf-8") as page:
        text = page.read()
    routes = set(re.findall(r"`(GET|POST|PATCH|PUT|DELETE) (/[^`?]*)(?:\?[^`]*)?`", text.split("\n## ")[1]))
    described = {(method.upper(), path) for path, operations in DOC["paths"].items() for method in operations}
    same("routes of docs/http-api.md", routes, described - {("GET", "/assets/{path}"), ("GET", "/favicon.ico")})
    table = text.split("## Reading threats")[1].split("\n## ")[0]
    same("parameters of docs/http-api.md", query_names("/api/threats"), set(re.findall(r"^\| `(\w+)`", table, re.M)))
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
