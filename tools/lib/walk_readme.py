#!/usr/bin/env python3
"""Runs the commands of a Markdown page as a reader would, and prints one result for each block.

    walk_readme.py PAGE FOLDER PORT      FOLDER: a fresh copy of the project, where the commands run

Every ```sh block is run with bash, top to bottom. A comment on the line above says what must come of it:

    <!-- run: background -->      started, left running, stopped at the end with SIGTERM
    <!-- run: aside TEXT -->      started and left running once its output holds TEXT; must end by itself
    <!-- run: until TEXT -->      repeated until its output holds TEXT, for at most a minute
    <!-- run: expect TEXT -->     run once; its output must hold TEXT
    <!-- run: no, REASON -->      not run

A block without a comment is run once and must succeed. Port 8080 stands for PORT.
"""
import os
import re
import signal
import subprocess
import sys
import time

PATIENCE = 60


def blocks_of(text):
    """(line, directive, command) of each sh block."""
    pattern = re.compile(r"(?:^<!-- run: ([^\n]*?) -->\n+)?^```sh\n(.*?)^```$", re.M | re.S)
    for match in pattern.finditer(text):
        line = text[: match.start(2)].count("\n") + 1
        yield line, match.group(1) or "", match.group(2)


class Walk:
    def __init__(self, folder, port):
        self.folder = folder
        self.port = port
        self.background = []
        self.aside = []
        self.environment = dict(os.environ, LUNETTE_LISTEN=f"127.0.0.1:{port}",
                                LUNETTE_URL=f"http://127.0.0.1:{port}")

    def start(self, command, **how):
        command = command.replace(":8080", f":{self.port}")
        return subprocess.Popen(["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, text=True,
                                env=self.environment, start_new_session=True, stdin=subprocess.DEVNULL, **how)

    def run(self, command):
        process = self.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return 124, output + f"\nnot done after {PATIENCE} s"
        return process.returncode, output

    def until(self, command, text):
        deadline = time.monotonic() + PATIENCE
        while True:
            status, output = self.run(command)
            if status == 0 and text in output:
                return True, output
            if time.monotonic() > deadline:
                return False, output
            time.sleep(0.1)  # between two looks at the condition

    def leave_running(self, command, into, log_name):
        log = os.path.join(self.folder, log_name)
        with open(log, "w", encoding="utf-8") as file:
            into.append(self.start(command, stdout=file, stderr=subprocess.STDOUT))
        return log

    def beside(self, command, text):
        log = self.leave_running(command, self.aside, "aside.log")
        deadline = time.monotonic() + PATIENCE
        while True:
            with open(log, encoding="utf-8") as file:
                output = file.read()
            if text in output or time.monotonic() > deadline:
                return text in output, output
            time.sleep(0.02)  # between two looks at the condition

    def block(self, directive, command):
        """(passed, output)"""
        if directive == "background":
            self.leave_running(command, self.background, "background.log")
            return True, ""
        if directive.startswith("aside "):
            return self.beside(command, directive[6:])
        if directive.startswith("until "):
            return self.until(command, directive[6:])
        status, output = self.run(command)
        wanted = directive[7:] if directive.startswith("expect ") else ""
        return status == 0 and wanted in output, output

    def stop(self):
        """What ran aside has ended, the rest is ended as Ctrl-C would; the exit codes of all."""
        codes = [self.code_of(process) for process in self.aside]
        for process in self.background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            codes.append(self.code_of(process))
        return codes

    @staticmethod
    def code_of(process):
        try:
            return process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()


def explain(text):
    for line in text.splitlines()[-30:]:
        print("# " + line)


def main():
    page, folder, port = sys.argv[1:4]
    walk = Walk(folder, port)
    name = os.path.basename(page)
    bad = False
    try:
        with open(page, encoding="utf-8") as file:
            text = file.read()
        for line, directive, command in blocks_of(text):
            if directive.startswith("no,"):
                continue
            title = f"docs: {name}:{line}: {command.strip().splitlines()[0][:60]}"
            passed, output = walk.block(directive, command)
            print(("ok " if passed else "not ok ") + title, flush=True)
            if not passed:
                bad = True
                explain(f"wanted: {directive or 'exit code 0'}\n{output}")
                break
    finally:
        codes = walk.stop()
    for code in codes:
        print(("ok " if code == 0 else "not ok ") + f"docs: {name}: what ran in the background ends with 0")
    if bad and walk.background:
        with open(os.path.join(folder, "background.log"), encoding="utf-8") as log:
            explain(log.read())


main()
