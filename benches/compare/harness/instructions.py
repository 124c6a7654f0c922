"""What a request costs in instructions: haechi under callgrind, with one worker and the load of h2load.

Times move by a third on a shared machine; instruction counts repeat to within a percent, on a busy machine too.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import machine, tokens as token_store
from .errors import BenchError
from .instance import Bench, Instance, running, start_backend
from .main import say, scratch
from .options import at_least, names
from .process import stop_all
from .settings import SETTINGS
from .tools import SEARCH, VENV, Tools, built, has_cryptography

NEEDED = {"valgrind": "valgrind", "callgrind_control": "valgrind", "h2load": "nghttp2-client", "nginx": "nginx"}
COUNTED = ("plain", "jwt", "limit", "everything", "everything+audit")
WARMUP_REQUESTS = 2_000
CONTROL_SECONDS = 120
LOAD_SECONDS = 1_800
# What the allocator is asked for memory with; a name may have a suffix that the linker gave it.
ALLOCATES = re.compile(r"^mi_(?:heap_)?(?:malloc|zalloc|calloc|realloc)(?:_aligned|_small)?(?:\.|$)")


@dataclass(frozen=True)
class Cost:
    instructions: float
    allocations: float


def main() -> int:
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        counted(options)
        return 0
    except BenchError as error:
        say(f"error: {error}")
        return 2
    finally:
        stop_all()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/compare/instructions", description="Count the instructions and allocations of a request.")
    add = parser.add_argument
    add("--binary", type=Path, help="a built haechi; without it, a release build is made with cargo")
    add("--requests", type=at_least(1_000), default=20_000, help="requests that are counted (default 20000)")
    add("--connections", type=at_least(1), default=64, help="keep-alive connections (default 64)")
    add("--settings", type=names(COUNTED), default=list(COUNTED), metavar="A,B", help="settings: " + ", ".join(COUNTED))
    add("--keep", type=Path, metavar="DIRECTORY", help="keep callgrind's files there, for callgrind_annotate")
    return parser.parse_args()


def counted(options: argparse.Namespace) -> None:
    programs = found_programs()
    cores = machine.chosen_cores(None, None)
    binary = options.binary.resolve() if options.binary else built(say)
    python = VENV / "bin" / "python3"
    tokens = token_store.kept_or_signed(python if has_cryptography(python) else None, 1, say) if any(SETTINGS[name].authenticated for name in options.settings) else None
    with scratch() as root:
        os.sched_setaffinity(0, {cores.load})
        tempfile.tempdir = str(root)
        backend, port = start_backend(root, programs["nginx"], cores.load, SETTINGS["plain"])
        tools = Tools(programs={**programs, "haechi": under_callgrind(root, programs["valgrind"], binary)})
        bench = Bench(root, cores, tools, tokens, backend, port, 0)
        print(f"{'setting':<16} {'instructions/request':>20} {'allocations/request':>20}")
        for name in options.settings:
            with running(bench, "haechi", SETTINGS[name]) as instance:
                cost = measured(bench, instance, name, options)
            print(f"{name:<16} {cost.instructions:>20.0f} {cost.allocations:>20.1f}", flush=True)


def found_programs() -> dict[str, Path]:
    found = {name: shutil.which(name, path=SEARCH) for name in NEEDED}
    missing = sorted({NEEDED[name] for name, path in found.items() if not path})
    if missing:
        raise BenchError(f"missing; on Debian: apt-get install {' '.join(missing)}")
    return {name: Path(path) for name, path in found.items() if path}


def under_callgrind(root: Path, valgrind: Path, binary: Path) -> Path:
    """A program that is haechi under callgrind, for whoever starts one by its path."""
    script = root / "haechi-under-callgrind"
    script.write_text(f'#!/bin/sh\nexec "{valgrind}" --quiet --tool=callgrind --callgrind-out-file=callgrind.out "{binary}" "$@"\n')
    script.chmod(0o755)
    return script


def measured(bench: Bench, instance: Instance, name: str, options: argparse.Namespace) -> Cost:
    send(bench, instance, name, WARMUP_REQUESTS, options.connections)
    control(bench, instance, "--zero")
    send(bench, instance, name, options.requests, options.connections)
    control(bench, instance, "--dump")
    profile = instance.directory / "callgrind.out.1"
    if not profile.exists():
        raise BenchError("callgrind wrote no profile")
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        shutil.copy(profile, options.keep / f"callgrind.{name}")
    text = profile.read_text(errors="replace")
    return Cost(instructions(text) / options.requests, allocations(text) / options.requests)


def send(bench: Bench, instance: Instance, name: str, requests: int, connections: int) -> None:
    token = [f"--header=authorization: Bearer {bench.tokens.good}"] if SETTINGS[name].authenticated and bench.tokens else []
    url = f"http://127.0.0.1:{instance.port}{SETTINGS[name].paths[0]}"
    argv = [str(bench.tools.programs["h2load"]), "--h1", "--threads=1", f"--clients={connections}", f"--requests={requests}", *token, url]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LOAD_SECONDS)
    succeeded = re.search(r"requests: .* (\d+) succeeded", done.stdout)
    if not succeeded or int(succeeded[1]) != requests:
        raise BenchError(f"not all of {requests} requests succeeded: {done.stdout[-300:]}{done.stderr[-300:]}")


def control(bench: Bench, instance: Instance, what: str) -> None:
    argv = [str(bench.tools.programs["callgrind_control"]), what, str(instance.process.child.pid)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=CONTROL_SECONDS)
    if done.returncode != 0 or "OK" not in done.stdout:
        raise BenchError(f"callgrind did not listen: {done.stdout}{done.stderr}")


def instructions(profile: str) -> int:
    found = re.search(r"^(?:totals|summary): (\d+)", profile, re.MULTILINE)
    if not found:
        raise BenchError("callgrind's profile has no total")
    return int(found[1])


def allocations(profile: str) -> int:
    """Calls into the allocator from outside of it. A name stands in full where it comes first, and as a number after that."""
    known: dict[str, str] = {}
    caller, callee, count = "", "", 0
    for line in profile.splitlines():
        kind, _, rest = line.partition("=")
        if kind in ("fn", "cfn"):
            number, _, text = rest.partition(" ")
            if text:
                known[number] = text
            if kind == "fn":
                caller = known.get(number, "")
            else:
                callee = known.get(number, "")
        elif kind == "calls" and ALLOCATES.match(callee) and not caller.startswith(("mi_", "_mi_")):
            count += int(rest.split(" ")[0])
    return count
