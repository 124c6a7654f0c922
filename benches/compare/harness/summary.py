"""Medians with minimum and maximum, and the targets."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field

from .measure import Idle, Round, Start

TARGET_CONNECTIONS = 64


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float


@dataclass
class Results:
    rounds: dict[tuple[str, str], list[Round]] = field(default_factory=dict)
    """By setting and proxy, in the order of the rounds."""
    starts: dict[str, list[Start]] = field(default_factory=dict)
    idle: dict[str, list[Idle]] = field(default_factory=dict)
    failed: dict[tuple[str, str], str] = field(default_factory=dict)
    """A row that was dropped, and why."""

    def values(self, setting: str, proxy: str, what: str) -> list[float]:
        return [value for value in (getattr(one, what) for one in self.rounds.get((setting, proxy), [])) if value is not None]

    def as_json(self) -> dict:
        return {
            "rounds": [{"setting": s, "proxy": p, **asdict(one)} for (s, p), all_of in self.rounds.items() for one in all_of],
            "starts": [{"proxy": proxy, **asdict(one)} for proxy, all_of in self.starts.items() for one in all_of],
            "idle": [{"proxy": proxy, **asdict(one)} for proxy, all_of in self.idle.items() for one in all_of],
            "failed": [{"setting": s, "proxy": p, "reason": why} for (s, p), why in self.failed.items()],
        }


def spread(values: list[float]) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Target:
    title: str
    limit: float
    unit: str
    value: float | None
    """None: not measured in this run."""
    least: float | None = None
    most: float | None = None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.limit else "not met"


def targets(results: Results, connections: int) -> list[Target]:
    cpu = lambda setting, proxy: results.values(setting, proxy, "cpu_us")  # noqa: E731
    p99_us = lambda proxy: results.values("latency", proxy, "p99_us")  # noqa: E731
    return [
        compared("haechi plain / nginx plain, CPU", 1.05, "", cpu("plain", "haechi"), cpu("plain", "nginx"), ratio),
        compared("haechi h2 / Envoy h2, CPU", 0.6, "", cpu("h2", "haechi"), cpu("h2", "envoy"), ratio),
        compared("haechi h2 / nginx h2, CPU", 1.1, "", cpu("h2", "haechi"), cpu("h2", "nginx"), ratio),
        compared("haechi tls / nginx tls, CPU", round(1 / 0.9, 3), "", cpu("tls", "haechi"), cpu("tls", "nginx"), ratio),
        compared("haechi grpc / Envoy grpc, CPU", 0.6, "", cpu("grpc", "haechi"), cpu("grpc", "envoy"), ratio),
        compared("haechi latency - nginx latency, p99", 0, "us", p99_us("haechi"), p99_us("nginx"), difference),
        idle_target(results),
        compared("haechi jwt / nginx plain, CPU", 1.25, "", cpu("jwt", "haechi"), cpu("plain", "nginx"), ratio),
        compared("haechi everything / nginx plain, CPU", 1.25, "", cpu("everything", "haechi"), cpu("plain", "nginx"), ratio),
        compared("haechi everything+audit / nginx plain, CPU", 1.4, "", cpu("everything+audit", "haechi"), cpu("plain", "nginx"), ratio),
        compared("haechi recorded - haechi unrecorded, CPU", 2, "us", cpu("recorded", "haechi"), cpu("unrecorded", "haechi"), difference),
        compared("haechi jwt / Envoy jwt, CPU", 0.45, "", cpu("jwt", "haechi"), cpu("jwt", "envoy"), ratio),
        compared("haechi jwt-cold - haechi jwt, CPU", 16, "us", cpu("jwt-cold", "haechi"), cpu("jwt", "haechi"), difference),
        compared("haechi routes-10k over routes-10, CPU", 3, "%", cpu("routes-10k", "haechi"), cpu("routes-10", "haechi"), excess_percent),
        compared("haechi policies over any, CPU", 5, "%", cpu("policies", "haechi"), cpu("any", "haechi"), excess_percent),
        resident_target(results, connections),
        start_target(results),
    ]


def compared(title: str, limit: float, unit: str, ours: list[float], theirs: list[float], how) -> Target:
    """The medians decide; the least and the most are those of the pairs, each from one round."""
    if not ours or not theirs:
        return Target(title, limit, unit, None)
    pairs = [how(a, b) for a, b in zip(ours, theirs)]
    return Target(title, limit, unit, how(statistics.median(ours), statistics.median(theirs)), min(pairs), max(pairs))


def ratio(a: float, b: float) -> float:
    return a / b


def difference(a: float, b: float) -> float:
    return a - b


def excess_percent(a: float, b: float) -> float:
    return 100 * (a / b - 1)


def resident_target(results: Results, connections: int) -> Target:
    title = f"haechi resident memory at {TARGET_CONNECTIONS} connections under load, the most in plain and jwt"
    seen = [kib / 1024 for setting in ("plain", "jwt") for kib in results.values(setting, "haechi", "resident_kib")]
    if not seen or connections != TARGET_CONNECTIONS:
        return Target(title, 20, "MiB", None)
    return Target(title, 20, "MiB", max(seen), min(seen), max(seen))


def idle_target(results: Results) -> Target:
    title = "haechi resident memory of an idle connection, median"
    seen = spread([one.kib_each for one in results.idle.get("haechi", [])])
    return Target(title, 8, "KiB", seen.median, seen.least, seen.most) if seen else Target(title, 8, "KiB", None)


def start_target(results: Results) -> Target:
    title = "haechi start to first answer, median"
    seen = spread([one.first_answer_ms for one in results.starts.get("haechi", [])])
    return Target(title, 100, "ms", seen.median, seen.least, seen.most) if seen else Target(title, 100, "ms", None)
