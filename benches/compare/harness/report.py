"""The report, as plain text or as Markdown."""

from __future__ import annotations

from .options import Options
from .settings import SETTINGS
from .summary import Results, Spread, Target, spread

COLUMNS = (
    ("CPU us/request", "cpu_us", 1, 2),
    ("requests/s", "per_second", 1, 0),
    ("p50 ms", "p50_us", 1000, 2),
    ("p99 ms", "p99_us", 1000, 2),
    ("resident MiB", "resident_kib", 1024, 1),
    ("peak MiB", "peak_kib", 1024, 1),
    ("core used %", "busy_percent", 1, 0),
)
# Only where there is an audit trail.
RECORDS_COLUMN = ("records/write", "records_per_write", 1, 1)
OWN_COLUMNS = {"start": ["first answer ms", "resident MiB"], "idle": ["KiB per connection", "resident MiB"]}
NONE = "-"


def printed(results: Results, found: list[Target], facts: dict, notes: list[str], options: Options) -> str:
    style = Markdown() if options.markdown else Plain()
    parts = [style.heading("Machine and versions"), style.table(["what", "value"], [[key, str(value)] for key, value in facts.items()])]
    for name in options.settings:
        rows = {"start": start_rows, "idle": idle_rows}.get(name, lambda results: load_rows(results, name))(results)
        if rows:
            head = ["proxy", *OWN_COLUMNS.get(name, [title for title, *_ in columns(name)])]
            parts += [style.heading(f"{name}: {SETTINGS[name].title}"), style.table(head, rows)]
    parts += [style.heading("Targets"), style.table(["target", "at most", "measured", "verdict"], [target_row(one) for one in found])]
    if notes:
        parts += [style.heading("Notes"), "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts)


def columns(setting: str) -> list[tuple]:
    return [*COLUMNS, *([RECORDS_COLUMN] if SETTINGS[setting].audit else [])]


def load_rows(results: Results, setting: str) -> list[list[str]]:
    rows = []
    for proxy in SETTINGS[setting].proxies:
        if (setting, proxy) in results.failed:
            rows.append([proxy, "failed", *[NONE] * (len(columns(setting)) - 1)])
        elif results.rounds.get((setting, proxy)):
            cells = [scaled(results.values(setting, proxy, what), unit, digits) for _, what, unit, digits in columns(setting)]
            rows.append([proxy, *cells])
    return rows


def start_rows(results: Results) -> list[list[str]]:
    return [
        [proxy, scaled([one.first_answer_ms for one in starts], 1, 1), scaled([one.resident_kib for one in starts], 1024, 1)]
        for proxy, starts in results.starts.items()
        if starts
    ]


def idle_rows(results: Results) -> list[list[str]]:
    return [
        [proxy, scaled([one.kib_each for one in rounds], 1, 2), scaled([one.resident_kib for one in rounds], 1024, 1)]
        for proxy, rounds in results.idle.items()
        if rounds
    ]


def scaled(values: list[float], unit: float, digits: int) -> str:
    found = spread([value / unit for value in values])
    return text(found, digits) if found else NONE


def text(found: Spread, digits: int) -> str:
    return f"{found.median:.{digits}f} ({found.least:.{digits}f}..{found.most:.{digits}f})"


def target_row(target: Target) -> list[str]:
    unit = f" {target.unit}" if target.unit else ""
    measured = NONE if target.value is None else f"{target.value:.2f}{unit} ({target.least:.2f}..{target.most:.2f})"
    return [target.title, f"{target.limit:g}{unit}", measured, target.verdict]


class Plain:
    def heading(self, title: str) -> str:
        return f"== {title}"

    def table(self, head: list[str], rows: list[list[str]]) -> str:
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [head, *rows])


class Markdown:
    def heading(self, title: str) -> str:
        return f"### {title}"

    def table(self, head: list[str], rows: list[list[str]]) -> str:
        lines = [head, ["---"] * len(head), *rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)
