"""The command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from .settings import PROXIES, SETTINGS


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: int
    warmup: int
    connections: int
    starts: int
    cold_tokens: int
    only: list[str]
    settings: list[str]
    binary: Path | None
    allow_missing_haechi: bool
    install: bool
    proxy_core: int | None
    load_core: int | None
    json: Path | None
    markdown: bool


def parsed(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(
        prog="benches/compare/run",
        description="Measure haechi beside nginx, HAProxy and Envoy: CPU per request, throughput, latency, memory.",
    )
    add = parser.add_argument
    add("--rounds", type=at_least(1), default=7, help="rounds; every row runs once in each (default 7)")
    add("--seconds", type=at_least(1), default=5, help="seconds of load per row and round (default 5)")
    add("--warmup", type=at_least(1), default=1, help="seconds of load before each measurement (default 1)")
    add("--connections", type=at_least(1), default=64, help="keep-alive connections (default 64)")
    add("--starts", type=at_least(1), default=20, help="starts per proxy in the setting `start` (default 20)")
    add("--cold-tokens", type=at_least(100), default=20_000, help="tokens sent once each in `jwt-cold` (default 20000)")
    add("--only", type=names(PROXIES), default=list(PROXIES), metavar="A,B", help="proxies: " + ", ".join(PROXIES))
    add("--settings", type=names(SETTINGS), default=list(SETTINGS), metavar="A,B", help="settings: " + ", ".join(SETTINGS))
    add("--binary", type=Path, help="a built haechi; without it, a release build is made with cargo")
    add("--allow-missing-haechi", action="store_true", help="measure the others when haechi cannot be built or started")
    add("--no-install", dest="install", action="store_false", help="install nothing; leave out what is missing")
    add("--proxy-core", type=at_least(0), help="the core of the proxy under test")
    add("--load-core", type=at_least(0), help="the core of the load generator and the backend")
    add("--json", type=Path, metavar="FILE", help="write every round and the summary to FILE")
    add("--markdown", action="store_true", help="print the report as Markdown")
    return Options(**vars(parser.parse_args(arguments)))


def at_least(smallest: int):
    def number(text: str) -> int:
        value = int(text)
        if value < smallest:
            raise argparse.ArgumentTypeError(f"must be at least {smallest}")
        return value

    return number


def names(known):
    def chosen(text: str) -> list[str]:
        wanted = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in wanted if name not in known]
        if unknown or not wanted:
            raise argparse.ArgumentTypeError(f"unknown `{', '.join(unknown)}`; there are: {', '.join(known)}")
        return [name for name in known if name in wanted]

    return chosen
