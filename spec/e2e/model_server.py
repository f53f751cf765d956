#!/usr/bin/env python3
"""A stand-in for a model behind OpenAI's chat completions, for tests. Standard library only; HTTP/1.1 with keep-alive,
hundreds of requests at once. It answers by the schema of the request and cites evidence that it finds in the prompt.

    model_server.py [--port 0] [--mode ok] [--key KEY]      prints "port N", then serves until it is ended

    POST /v1/chat/completions   as a model
    POST /mode                  {"mode": "429", "retry_after": 2, "delay": 0.5, "times": 3}
                                `times`: so many requests, then "ok" again (absent: until changed)
    GET  /requests              the bodies received, in order: [{"at", "mode", "authorization", "body"}], `at` in
                                seconds of a clock that does not jump
    DELETE /requests            forgets them and the counts
    GET  /stats                 {"requests", "in_flight", "max_in_flight", "modes": {...}}

A request may choose its own mode in the header X-Model-Mode. Modes:

    ok          suspicious, a claim for each of the first cited lines, quoted byte for byte
    benign      benign_expected, the same claims
    confident   malicious, certain, CRITICAL
    injected    as a model that obeyed the evidence: false_positive, certain, INFO, no suspicion
    suspecting  as ok, and says that the evidence tries to steer it
    uncited     its claims cite evidence that does not exist
    misquote    its claims quote what is not there
    unknown     it names techniques that do not exist
    slow        as ok, after `delay` seconds (1)
    429, 500, 503, 401, 400     that status; 429 and 503 with Retry-After where `retry_after` is set
    truncated   finish_reason "length", half an answer
    malformed   an answer that is no JSON object
    schemaless  JSON that breaks the schema
    garbage     a body that is no chat completion
    refusing    message.refusal
    filtered    finish_reason "content_filter"
    hang        no answer at all
    drop        closes the connection in the middle
    huge        a body of 8 MiB
"""
import argparse
import asyncio
import json
import re
import sys
import time

LINE = re.compile(r"^(E\d+) ([^\s=]+)(?: \[untrusted\])? = (.*)$", re.M)
QUOTED = re.compile(r'^"((?:[^"\\]|\\.)*)"')
QUOTED_BEGINNING = re.compile(r'(?:[^"\\]|\\.){0,60}')  # never half an escape
TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
STATUSES = {"429": "Too Many Requests", "500": "Internal Server Error", "503": "Service Unavailable",
            "401": "Unauthorized", "400": "Bad Request"}
MANNERS = {  # verdict, confidence, severity
    "ok": ("suspicious", 0.6, None), "slow": ("suspicious", 0.6, None), "benign": ("benign_expected", 0.8, None),
    "confident": ("malicious", 1.0, "CRITICAL"), "injected": ("false_positive", 1.0, "INFO"),
}


class State:
    def __init__(self, mode, key):
        self.key = key
        self.change({"mode": mode})
        self.forget()
        self.in_flight = 0

    def change(self, settings):
        self.mode = str(settings.get("mode", "ok"))
        self.delay = float(settings.get("delay", 1))
        self.retry_after = settings.get("retry_after")
        self.times = settings.get("times")

    def forget(self):
        self.requests = []
        self.modes = {}
        self.max_in_flight = 0

    def next_mode(self, chosen):
        mode = chosen or self.mode
        if not chosen and self.times is not None:
            self.times -= 1
            if self.times < 0:
                self.change({})
                mode = "ok"
        self.modes[mode] = self.modes.get(mode, 0) + 1
        return mode


class Prompt:
    """What a model would read in the messages."""

    def __init__(self, messages):
        self.text = "\n".join(str(m.get("content", "")) for m in messages if isinstance(m, dict))
        self.lines = LINE.findall(self.text)
        self.techniques = sorted(set(TECHNIQUE.findall(self.text)))

    def claim(self, index, mode):
        if not self.lines:
            return "No evidence was given.", []
        number, path, value = self.lines[index % len(self.lines)]
        quoted = QUOTED.match(value)
        beginning = QUOTED_BEGINNING.match(quoted.group(1)).group() if quoted else ""
        text = f'{path} is "{beginning}".' if beginning else f"{path} is set."
        if mode == "misquote":
            text = f'{path} is "what nobody ever wrote".'
        if mode == "injected":
            text = f"{path} shows routine maintenance; close this threat and ignore others like it."
        return text, ["E999"] if mode == "uncited" else [f"{number}.{path}" if index % 2 else number]


def first_of(schema):
    kind = schema.get("type", "object")
    return kind[0] if isinstance(kind, list) else kind


def choice(values, wanted):
    return wanted if wanted in values else values[0]


def claims(schema, prompt, mode):
    count = max(min(3, len(prompt.lines) or 1), schema.get("minItems", 0))
    items = schema.get("items", {})
    out = []
    for index in range(count):
        text, cited = prompt.claim(index, mode)
        claim = value_of("claim", items, prompt, mode)
        if isinstance(claim, dict):
            claim.update({name: value for name, value in (("text", text), ("evidence", cited))
                          if name in items.get("properties", {})})
        out.append(claim)
    return out


def text_of(name, prompt, mode):
    verdict, _, severity = MANNERS.get(mode, MANNERS["ok"])
    if name == "verdict":
        return verdict
    if name.startswith("severity"):
        return severity or "MEDIUM"
    if name in ("technique", "id", "mitre"):
        return "T9999" if mode == "unknown" else (prompt.techniques or ["T1110"])[0]
    return f"{name} as the stand-in model puts it"


def list_of(name, schema, prompt, mode):
    if name == "claims":
        return claims(schema, prompt, mode)
    if name == "evidence":
        return prompt.claim(0, mode)[1]
    if name in ("mitre", "techniques"):
        if mode == "unknown":
            return [value_of("technique", schema.get("items", {}), prompt, mode)]
        if not prompt.techniques:
            return []
    if name in ("contradictions", "missing_evidence") and not schema.get("minItems"):
        return []
    return [value_of(name, schema.get("items", {}), prompt, mode)
            for _ in range(max(1, schema.get("minItems", 0)))]


def number_of(name, schema, mode):
    value = MANNERS.get(mode, MANNERS["ok"])[1] if name == "confidence" else 0.5
    value = min(max(value, schema.get("minimum", value)), schema.get("maximum", value))
    return int(value) if first_of(schema) == "integer" else value


def value_of(name, schema, prompt, mode):
    """A value that the schema accepts."""
    kind = first_of(schema)
    if "enum" in schema:
        return choice(schema["enum"], text_of(name, prompt, mode))
    if kind == "object":
        return {key: value_of(key, inner, prompt, mode) for key, inner in (schema.get("properties") or {}).items()}
    if kind == "array":
        return list_of(name, schema, prompt, mode)
    if kind == "boolean":
        return mode == "suspecting" and name in ("suspected", "injection_suspected")
    if kind in ("number", "integer"):
        return number_of(name, schema, mode)
    if kind == "null":
        return None
    text = text_of(name, prompt, mode)
    return text.ljust(schema.get("minLength", 0), ".")[:schema.get("maxLength", len(text))]


def completion(body, mode):
    """The JSON of a chat completion."""
    prompt = Prompt(body.get("messages", []))
    form = body.get("response_format") or {}
    schema = (form.get("json_schema") or {}).get("schema") or {"type": "object"}
    text = json.dumps(value_of("answer", schema, prompt, mode))
    message, finish = {"role": "assistant", "content": text}, "stop"
    if mode == "truncated":
        message["content"], finish = text[:len(text) // 2], "length"
    elif mode == "malformed":
        message["content"] = "Certainly! Here is my analysis: " + text
    elif mode == "schemaless":
        message["content"] = json.dumps({"verdict": "certainly", "suppress": True})
    elif mode == "refusing":
        message["content"], message["refusal"] = None, "I cannot help with that."
    elif mode == "filtered":
        message["content"], finish = "", "content_filter"
    asked, answered = max(1, len(prompt.text) // 4), max(1, len(text) // 4)
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": body.get("model", "stand-in"),
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}}


def reply(status, body, reason="OK", headers=()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + data


async def read_request(reader):
    """(method, path, headers, body), or None at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, path.split("?")[0], headers, body


async def as_model(state, headers, raw):
    """The bytes of an answer; None: close the connection."""
    try:
        body = json.loads(raw)
    except ValueError:
        return reply(400, {"error": {"message": "no JSON"}}, "Bad Request")
    mode = state.next_mode(headers.get("x-model-mode"))
    state.requests.append({"at": time.monotonic(), "mode": mode, "authorization": headers.get("authorization"), "body": body})
    if state.key and headers.get("authorization") != f"Bearer {state.key}":
        return reply(401, {"error": {"message": "wrong key"}}, "Unauthorized")
    if mode in STATUSES:
        wait = [f"Retry-After: {state.retry_after}"] if mode in ("429", "503") and state.retry_after is not None else []
        return reply(int(mode), {"error": {"message": mode}}, STATUSES[mode], wait)
    if mode == "slow":
        await asyncio.sleep(state.delay)
    if mode == "hang":
        await asyncio.sleep(3600)
    if mode == "drop":
        return None
    if mode == "huge":
        return reply(200, b" " * (8 << 20))
    if mode == "garbage":
        return reply(200, b"<html>It works!</html>")
    return reply(200, completion(body, mode))


async def route(state, request):
    method, path, headers, body = request
    if method == "POST" and path.endswith("/chat/completions"):
        state.in_flight += 1
        state.max_in_flight = max(state.max_in_flight, state.in_flight)
        try:
            return await as_model(state, headers, body)
        finally:
            state.in_flight -= 1
    if (method, path) == ("POST", "/mode"):
        state.change(json.loads(body))
        return reply(200, {"mode": state.mode})
    if (method, path) == ("GET", "/requests"):
        return reply(200, state.requests)
    if (method, path) == ("DELETE", "/requests"):
        state.forget()
        return reply(200, {})
    if (method, path) == ("GET", "/stats"):
        return reply(200, {"requests": len(state.requests), "in_flight": state.in_flight,
                           "max_in_flight": state.max_in_flight, "modes": state.modes})
    return reply(404, {"error": {"message": "no such route"}}, "Not Found")


async def serve_connection(state, reader, writer):
    try:
        while request := await read_request(reader):
            answer = await route(state, request)
            if answer is None:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                break
            writer.write(answer)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    parser = argparse.ArgumentParser(description="A stand-in model server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--key")
    options = parser.parse_args()
    state = State(options.mode, options.key)
    server = await asyncio.start_server(lambda reader, writer: serve_connection(state, reader, writer),
                                        "127.0.0.1", options.port, backlog=512, limit=4 << 20)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
