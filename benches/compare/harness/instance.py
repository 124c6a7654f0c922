"""One running proxy: placed in a directory of its own, started, waited for, stopped."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import gate
from .errors import BenchError, StartFailed
from .machine import Cores
from .process import Process, free_port
from .proxies import Launch, Place, launchers, nginx
from .settings import Setting
from .tokens import Tokens
from .tools import Tools

START_SECONDS = 60
POLL_SECONDS = 0.0005


@dataclass(frozen=True)
class Bench:
    """What every measurement needs to know."""

    root: Path
    cores: Cores
    tools: Tools
    tokens: Tokens | None
    backend: Process
    backend_port: int
    grpc_port: int


@dataclass(frozen=True)
class Instance:
    name: str
    process: Process
    port: int
    admin_port: int
    directory: Path
    access_log: Path | None
    audit_file: Path | None
    started_ms: float
    """From spawning to the first 200."""


def start_backend(root: Path, program: Path, core: int, setting: Setting) -> tuple[Process, int]:
    """A backend that speaks what the services of `setting` speak."""
    grpc = setting.protocol == "grpc"
    directory = root / ("grpc-backend" if grpc else "backend")
    directory.mkdir()
    port = free_port()
    launch = nginx.grpc_backend if grpc else nginx.backend
    process = started(launch(program, directory, port), core, directory)
    wait_for_200("the backend", process, port, setting, None)
    return process, port


@contextmanager
def running(bench: Bench, name: str, setting: Setting):
    """The proxy, answering; it is gone, with its files, afterwards."""
    if name == "backend":
        yield Instance(name, bench.backend, bench.backend_port, 0, bench.root / "backend", None, None, 0.0)
        return
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=bench.root))
    place = Place(bench.tools.programs[name], directory, free_port(), free_port(), bench.grpc_port if setting.protocol == "grpc" else bench.backend_port, setting, bench.tokens)
    launch = launchers()[name](place)
    since = time.perf_counter()
    process = started(launch, bench.cores.proxy, directory)
    try:
        token = bench.tokens.good if setting.authenticated and bench.tokens else None
        wait_for_200(name, process, place.port, setting, token)
        elapsed = (time.perf_counter() - since) * 1000
        yield Instance(name, process, place.port, place.admin_port, directory, place.access_log if setting.logged else None, place.audit_file if setting.audit else None, elapsed)
    finally:
        process.stop()
        shutil.rmtree(directory, ignore_errors=True)


def started(launch: Launch, core: int, directory: Path) -> Process:
    try:
        return Process(launch.argv, core, directory, launch.output)
    except BenchError as error:
        raise StartFailed(str(error)) from error


def wait_for_200(name: str, process: Process, port: int, setting: Setting, token: str | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    seen = "no answer"
    while time.monotonic() < deadline:
        if process.exited():
            raise StartFailed(f"{name} ended at its start with status {process.child.returncode}:\n{process.last_words()}")
        try:
            status, _ = gate.asked(setting, port, setting.paths[0], token)
        except (OSError, http.client.HTTPException, subprocess.TimeoutExpired):
            time.sleep(POLL_SECONDS)
            continue
        if status == 200:
            return
        seen = f"answer {status}"
        time.sleep(POLL_SECONDS)
    raise StartFailed(f"{name} gave no 200 within {START_SECONDS} s ({seen}):\n{process.last_words()}")
