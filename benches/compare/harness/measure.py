"""One measurement of one row: gate, warm-up, load, gate, and what /proc says in between."""

from __future__ import annotations

import resource
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from . import gate
from .errors import BenchError, RoundFailed
from .instance import Bench, Instance, running
from .load import Load, evenly, h2load, handshakes, wrk, write_requests
from .options import Options
from .settings import IDLE_CONNECTIONS, MANY_TOKENS, Setting

SAMPLE_SECONDS = 0.1
LOGGED_SHARE = 0.99
WARMUP_RUNS = 20


@dataclass(frozen=True)
class Round:
    """Times in microseconds, memory in KiB."""

    requests: int
    cpu_us: float
    """Run time of the proxy per request."""
    busy_percent: float | None
    """Share of its core that the proxy used."""
    per_second: float | None
    p50_us: float
    p99_us: float
    resident_kib: int
    """Under load, towards the end."""
    peak_kib: int
    records_per_write: float | None = None
    """Of the audit trail: how many requests shared a write, or with `synced` a wait for the disk."""


@dataclass(frozen=True)
class Start:
    first_answer_ms: float
    resident_kib: int


@dataclass(frozen=True)
class Idle:
    connections: int
    kib_each: float
    """Resident memory that came with the connections, divided among them."""
    resident_kib: int


def measured_idle(bench: Bench, name: str, setting: Setting, options: Options) -> Idle:
    with running(bench, name, setting) as instance:
        gate.check(name, instance.port, setting, bench.tokens)
        before = instance.process.resident_kib()
        waiting = [waiting_connection(instance.port, setting.paths[0]) for _ in range(IDLE_CONNECTIONS)]
        after = instance.process.resident_kib()
        closed = sum(not still_open(one) for one in waiting)
        for one in waiting:
            one.close()
        if closed:
            raise RoundFailed(f"{closed} of {IDLE_CONNECTIONS} connections were closed")
        return Idle(IDLE_CONNECTIONS, (after - before) / IDLE_CONNECTIONS, after)


def waiting_connection(port: int, path: str) -> socket.socket:
    """A connection that has carried one request."""
    try:
        one = socket.create_connection(("127.0.0.1", port), timeout=5)
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        seen = b""
        while not seen.endswith(b"ok\n"):
            piece = one.recv(4096)
            if not piece:
                raise RoundFailed(f"a connection was closed instead of answered: {seen!r}")
            seen += piece
    except OSError as error:
        raise RoundFailed(f"a connection was not answered: {error}") from error
    one.setblocking(False)
    return one


def still_open(one: socket.socket) -> bool:
    try:
        return bool(one.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def raise_descriptor_limit() -> None:
    """Of this process and of those that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < 3 * IDLE_CONNECTIONS:
        raise BenchError(f"{hard} open files at most: {IDLE_CONNECTIONS} connections through a proxy need {3 * IDLE_CONNECTIONS} (`ulimit -Hn`)")


def measured_start(bench: Bench, name: str, setting: Setting) -> Start:
    with running(bench, name, setting) as instance:
        gate.check(name, instance.port, setting, bench.tokens)
        return Start(instance.started_ms, instance.process.resident_kib())


def measured_round(bench: Bench, name: str, setting: Setting, options: Options) -> Round:
    with running(bench, name, setting) as instance:
        gate.check(name, instance.port, setting, bench.tokens)
        requests, warmup_requests = request_files(bench, instance, setting, options)
        warmed = warmup(bench, instance, setting, options, warmup_requests)
        outcome = loaded(bench, instance, setting, options, requests)
        gate.check(name, instance.port, setting, bench.tokens)
        check_observability(instance, warmed + outcome.requests)
        return outcome


def request_files(bench: Bench, instance: Instance, setting: Setting, options: Options) -> tuple[Path, Path]:
    directory = bench.root / "load"
    directory.mkdir(exist_ok=True)
    requests, warmup_requests = directory / "requests.txt", directory / "warmup.txt"
    write_requests(requests, setting.paths, sent_tokens(bench, setting, options))
    # Tokens that shall be seen for the first time are not shown before.
    warm = [bench.tokens.good] if setting.tokens == "cold" and bench.tokens else sent_tokens(bench, setting, options)
    write_requests(warmup_requests, setting.paths, warm)
    return requests, warmup_requests


def sent_tokens(bench: Bench, setting: Setting, options: Options) -> list[str]:
    if setting.tokens == "none" or bench.tokens is None:
        return []
    if setting.tokens == "one":
        return [bench.tokens.good]
    return bench.tokens.first(MANY_TOKENS if setting.tokens == "many" else options.cold_tokens)


def warmup(bench: Bench, instance: Instance, setting: Setting, options: Options, requests: Path) -> int:
    """At least the time asked for; with many tokens, as long as it takes to have sent each of them."""
    whole_list = setting.tokens == "many"
    done = load(bench, instance, setting, options, requests, options.warmup, once=False).result()["requests"]
    for _ in range(WARMUP_RUNS if whole_list and done < MANY_TOKENS else 0):
        numbers = load(bench, instance, setting, options, requests, options.seconds, once=True).result()
        done += numbers["requests"]
        if numbers["sent"] >= MANY_TOKENS:
            return done
    if whole_list and done < MANY_TOKENS:
        raise RoundFailed("too slow: the warm-up could not send every token")
    return done


def load(bench: Bench, instance: Instance, setting: Setting, options: Options, requests: Path, seconds: int, once: bool) -> Load:
    core, directory, path = bench.cores.load, bench.root / "load", setting.paths[0]
    if setting.load == "h2load":
        return h2load(bench.tools.programs["h2load"], core, directory, instance.port, path, seconds, setting.protocol == "grpc")
    if setting.load == "even":
        return evenly(core, directory, instance.port, path, seconds)
    if setting.load == "handshakes":
        return handshakes(bench.tools.programs["h2load"], core, directory, instance.port, path, seconds)
    return wrk(bench.tools.programs["wrk"], core, directory, f"http://127.0.0.1:{instance.port}", requests, seconds, options.connections, "once" if once else "cycle")


def loaded(bench: Bench, instance: Instance, setting: Setting, options: Options, requests: Path) -> Round:
    once = setting.tokens == "cold"
    cpu_before, resident = instance.process.cpu_us(), []
    under_way = load(bench, instance, setting, options, requests, options.seconds, once)
    while under_way.running():
        resident.append(instance.process.resident_kib())
        time.sleep(SAMPLE_SECONDS)
    numbers = under_way.result()
    cpu = instance.process.cpu_us() - cpu_before
    if instance.process.exited():
        raise BenchError(f"{instance.name} ended under load:\n{instance.process.last_words()}")
    # When the list ends, wrk drops the answers still on their way; the proxy has worked for every request that was sent.
    count = numbers["sent"] if once else numbers["requests"]
    ran_out = once and numbers["sent"] >= options.cold_tokens
    duration = None if ran_out else numbers["duration_us"]
    return Round(
        requests=count,
        cpu_us=cpu / count,
        busy_percent=100 * cpu / duration if duration else None,
        per_second=numbers["requests"] * 1e6 / duration if duration else None,
        p50_us=numbers["p50_us"],
        p99_us=numbers["p99_us"],
        resident_kib=near_the_end(resident),
        peak_kib=instance.process.peak_kib(),
        records_per_write=records_per_write(instance, setting),
    )


def records_per_write(instance: Instance, setting: Setting) -> float | None:
    if not setting.audit:
        return None
    _, page = gate.answer(instance.admin_port, "/metrics", None)
    count = lambda metric: sum(float(line.split()[-1]) for line in page.decode().splitlines() if line.startswith(metric))  # noqa: E731
    writes = count("haechi_audit_syncs_total" if setting.audit == "synced" else "haechi_audit_writes_total")
    return count('haechi_audit_records_total{result="written"}') / writes if writes else None


def near_the_end(samples: list[int]) -> int:
    """Not the last one: wrk may have closed its connections by then."""
    return samples[-min(len(samples), 3)]


def check_observability(instance: Instance, requests: int) -> None:
    """Whoever does not log is not measured. haechi must count as well."""
    if instance.name == "haechi":
        status, body = gate.answer(instance.admin_port, "/metrics", None)
        if status != 200 or b"haechi_http_requests_total" not in body:
            raise BenchError(f"haechi has no `haechi_http_requests_total` on its admin address (answer {status}); it must run with metrics on")
    if instance.access_log is None:
        return
    # A proxy writes what it holds back when it stops.
    instance.process.stop()
    lines = line_count(instance.access_log)
    if lines < LOGGED_SHARE * requests:
        raise RoundFailed(f"{lines} lines in the access log for {requests} requests")
    if instance.audit_file is not None:
        check_audit(instance.audit_file, requests)


def check_audit(file: Path, requests: int) -> None:
    """What was forwarded was recorded before: not a single record may be missing. A file that is full lies beside the current one."""
    records = sum(decisions(one) for one in file.parent.glob(f"{file.stem}*{file.suffix}"))
    if records < requests:
        raise RoundFailed(f"{records} decisions in the audit trail for {requests} requests")


def decisions(file: Path) -> int:
    with open(file, "rb") as trail:
        return sum(b'"event":"decision"' in line for line in trail)


def line_count(file: Path) -> int:
    if not file.exists():
        return 0
    with open(file, "rb") as log:
        return sum(block.count(b"\n") for block in iter(lambda: log.read(1 << 20), b""))
