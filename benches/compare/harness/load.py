"""The load generator: wrk with one thread, its answer as numbers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from .errors import BenchError, RoundFailed
from .process import Process

HERE = Path(__file__).resolve().parent.parent
ERRORS = ("connect", "read", "write", "timeout", "status")
GRACE_SECONDS = 20


def write_requests(file: Path, paths: list[str], tokens: list[str]) -> None:
    """One request per line: every path with every token would be too many, so both go round together."""
    count = max(len(paths), len(tokens), 1)
    with open(file, "w") as out:
        for number in range(count):
            token = f"\t{tokens[number % len(tokens)]}" if tokens else ""
            out.write(paths[number % len(paths)] + token + "\n")


class Load:
    """One run of wrk against a port of this machine."""

    def __init__(self, program: Path, core: int, directory: Path, port: int, requests: Path, seconds: int, connections: int, once: bool) -> None:
        self.output = directory / "wrk.txt"
        self.output.unlink(missing_ok=True)
        self.deadline = seconds + GRACE_SECONDS
        self.process = Process([
            str(program), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "5s", "--latency",
            "--script", str(HERE / "load.lua"), f"http://127.0.0.1:{port}", "--", str(requests), "once" if once else "cycle",
        ], core, directory, self.output)

    def running(self) -> bool:
        return not self.process.exited()

    def result(self) -> dict[str, int]:
        """Counts and times in microseconds; an answer other than 2xx or 3xx, or a broken connection, fails the round."""
        try:
            self.process.child.wait(self.deadline)
        except subprocess.TimeoutExpired as error:
            raise RoundFailed("wrk did not end in time") from error
        finally:
            self.process.stop()
        text = self.output.read_text()
        line = next((line for line in text.splitlines() if line.startswith("RESULT ")), None)
        if line is None:
            raise BenchError(f"wrk gave no result: {self.process.last_words() or text[-300:]}")
        numbers = json.loads(line[len("RESULT "):])
        faults = {kind: numbers[kind] for kind in ERRORS if numbers[kind]}
        if faults or not numbers["requests"]:
            raise RoundFailed(f"{numbers['requests']} requests, failed: {faults}")
        return numbers
