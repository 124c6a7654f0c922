"""How each proxy is configured and started.

Every module has `launch(place) -> Launch`. All of them write an access log with one line per request.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..settings import Setting
from ..tokens import Tokens


@dataclass(frozen=True)
class Place:
    """Where one instance runs, and what it shall do there."""

    program: Path
    directory: Path
    port: int
    admin_port: int
    backend_port: int
    setting: Setting
    tokens: Tokens | None

    @property
    def access_log(self) -> Path:
        return self.directory / "access.log"

    @property
    def audit_file(self) -> Path:
        return self.directory / "audit" / "haechi.jsonl"

    @property
    def needed_tokens(self) -> Tokens:
        if self.tokens is None:
            raise ValueError(f"the setting `{self.setting.name}` needs tokens")
        return self.tokens


@dataclass(frozen=True)
class Launch:
    argv: list[str]
    output: Path | None = None
    """Where standard output goes, when that is the access log."""


def launchers():
    from . import envoy, haechi, haproxy, nginx

    return {"nginx": nginx.launch, "haproxy": haproxy.launch, "envoy": envoy.launch, "haechi": haechi.launch}
