"""The run: gather, measure in interleaved rounds, report."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from . import machine, options as command_line, report, tokens as token_store
from .errors import BenchError, RoundFailed, StartFailed
from .instance import Bench, start_backend
from .machine import Cores
from .measure import Idle, measured_idle, measured_round, measured_start, raise_descriptor_limit
from .options import Options
from .process import stop_all
from .settings import SETTINGS
from .summary import Results, targets
from .tokens import Tokens
from .tools import Tools, gathered, left_out_rows

QUIET = 0.5
STOLEN_PERCENT = 1.0


def main() -> int:
    options = command_line.parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        return compared(options)
    except BenchError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("stopped")
        return 130
    finally:
        stop_all()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def compared(options: Options) -> int:
    cores = machine.chosen_cores(options.proxy_core, options.load_core)
    tools = gathered(options, say)
    notes = left_out_rows(tools, options)
    for note in notes:
        say(note)
    tokens, options = gathered_tokens(tools, options, notes)
    if machine.other_load() > QUIET:
        notes.append(f"the machine was not idle before the run (load {machine.other_load():.2f}): take the numbers as noise")
        say(notes[-1])
    facts = described(tools, cores, options)
    stolen = machine.StolenTime()
    if {"idle", "tls"} & set(options.settings):
        raise_descriptor_limit()
    with scratch() as root:
        os.sched_setaffinity(0, {cores.load})
        tempfile.tempdir = str(root)
        backend, port = start_backend(root, tools.programs["nginx"], cores.load, SETTINGS["plain"])
        grpc_port = start_backend(root, tools.programs["nginx"], cores.load, SETTINGS["grpc"])[1] if "grpc" in options.settings else 0
        results = measured(Bench(root, cores, tools, tokens, backend, port, grpc_port), options)
    notes += closing_notes(results, stolen)
    publish(results, facts, notes, options)
    return 1 if results.failed else 0


def gathered_tokens(tools: Tools, options: Options, notes: list[str]) -> tuple[Tokens | None, Options]:
    """The tokens; where there can be none, the settings that do without."""
    guarded = [name for name in options.settings if SETTINGS[name].authenticated]
    count = token_store.needed(options.settings, options.cold_tokens)
    if not guarded:
        return None, options
    if tools.python or token_store.usable(count):
        return token_store.kept_or_signed(tools.python, count, say), options
    notes.append(f"left out: {', '.join(guarded)}: no tokens are kept, and the Python package `cryptography` could not be installed to sign some")
    say(notes[-1])
    rest = [name for name in options.settings if name not in guarded]
    if not rest:
        raise BenchError("nothing is left to measure")
    return None, dataclasses.replace(options, settings=rest)


def described(tools: Tools, cores: Cores, options: Options) -> dict:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        **machine.description(),
        **tools.versions(),
        "cores used": f"{cores.proxy} for the proxy, {cores.load} for the load and the backend",
        "settings": f"{options.rounds} interleaved rounds of {options.seconds} s after {options.warmup} s of warm-up, "
        f"{options.connections} keep-alive connections, {options.cold_tokens} cold tokens, {options.starts} starts",
    }


@contextmanager
def scratch():
    """In memory where there is /dev/shm, so that an access log costs its writing and no disk."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    if parent is None:
        say("no /dev/shm: the access logs go to a disk")
    root = Path(tempfile.mkdtemp(prefix="haechi-compare-", dir=parent))
    try:
        yield root
    finally:
        stop_all()
        shutil.rmtree(root, ignore_errors=True)


def measured(bench: Bench, options: Options) -> Results:
    results = Results()
    for number in range(options.rounds):
        for name in options.settings:
            for proxy in SETTINGS[name].proxies if name != "start" else ():
                if proxy in options.only:
                    one_round(bench, results, options, name, proxy, number)
    if "start" in options.settings:
        all_starts(bench, results, options)
    return results


def one_round(bench: Bench, results: Results, options: Options, name: str, proxy: str, number: int) -> None:
    row = (name, proxy)
    if row in results.failed or proxy in bench.tools.left_out:
        return
    measure = measured_idle if name == "idle" else measured_round
    try:
        outcome = measure(bench, proxy, SETTINGS[name], options)
    except RoundFailed as error:
        drop(results, row, str(error))
        return
    except StartFailed as error:
        drop_or_stop(results, options, row, error)
        return
    if isinstance(outcome, Idle):
        results.idle.setdefault(proxy, []).append(outcome)
        told = f"{outcome.kib_each:8.2f} KiB/connection  {outcome.connections} connections"
    else:
        results.rounds.setdefault(row, []).append(outcome)
        told = f"{outcome.cpu_us:8.2f} us/request  {outcome.requests} requests"
    say(f"round {number + 1}/{options.rounds}  {name:<10} {proxy:<8} {told}")


def all_starts(bench: Bench, results: Results, options: Options) -> None:
    for _ in range(options.starts):
        for proxy in SETTINGS["start"].proxies:
            row = ("start", proxy)
            if proxy not in options.only or proxy in bench.tools.left_out or row in results.failed:
                continue
            # nginx verifies no tokens; it starts with what it is measured with elsewhere.
            setting = SETTINGS["plain" if proxy == "nginx" else "jwt"]
            try:
                results.starts.setdefault(proxy, []).append(measured_start(bench, proxy, setting))
            except StartFailed as error:
                drop_or_stop(results, options, row, error)


def drop_or_stop(results: Results, options: Options, row: tuple[str, str], error: StartFailed) -> None:
    if row[1] != "haechi" or not options.allow_missing_haechi:
        raise error
    drop(results, row, str(error))


def drop(results: Results, row: tuple[str, str], why: str) -> None:
    """A row with a failed round has no numbers at all: half of it could be the good half."""
    say(f"failed: {row[1]} in {row[0]}: {why}")
    results.failed[row] = why
    results.rounds.pop(row, None)
    if row[0] == "idle":
        results.idle.pop(row[1], None)


def closing_notes(results: Results, stolen: machine.StolenTime) -> list[str]:
    notes = [f"failed: {proxy} in {name}: {why.splitlines()[0]}" for (name, proxy), why in results.failed.items()]
    percent = stolen.percent()
    if percent > STOLEN_PERCENT:
        notes.append(f"the hypervisor gave {percent:.1f} % of the processor time to others during the run")
    return notes


def publish(results: Results, facts: dict, notes: list[str], options: Options) -> None:
    found = targets(results, options.connections)
    if options.json:
        judged = [{**dataclasses.asdict(one), "verdict": one.verdict} for one in found]
        whole = {"facts": facts, "targets": judged, "notes": notes, **results.as_json()}
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    print(report.printed(results, found, facts, notes, options))
