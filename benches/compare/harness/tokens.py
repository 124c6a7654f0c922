"""The tokens: signed once, kept in .cache between runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError
from .settings import MANY_TOKENS

HERE = Path(__file__).resolve().parent.parent
CACHE = HERE / ".cache" / "tokens"
A_DAY = 86_400


@dataclass(frozen=True)
class Tokens:
    directory: Path
    good: str
    refused: dict[str, str]
    """What is wrong with it, and the token."""

    @property
    def jwks(self) -> Path:
        return self.directory / "jwks.json"

    @property
    def public_key(self) -> Path:
        return self.directory / "key.pub.pem"

    def first(self, count: int) -> list[str]:
        with open(self.directory / "tokens.txt") as lines:
            return [line.strip() for _, line in zip(range(count), lines)]


def needed(settings: list[str], cold_tokens: int) -> int:
    many = MANY_TOKENS if "jwt-10k" in settings else 0
    return max(1, many, cold_tokens if "jwt-cold" in settings else 0)


def kept_or_signed(python: Path | None, count: int, say) -> Tokens:
    if not usable(count):
        if python is None:
            raise BenchError("no tokens in .cache, and none can be signed without the Python package `cryptography`")
        say(f"signing {count} tokens (about 1 ms each, kept in .cache for the next run)")
        sign(python, count)
    gate = json.loads((CACHE / "gate.json").read_text())
    return Tokens(CACHE, gate["good"], gate["refused"])


def usable(count: int) -> bool:
    try:
        made = json.loads((CACHE / "made.json").read_text())
    except (OSError, ValueError):
        return False
    return made["count"] >= count and made["expires"] > time.time() + A_DAY


def sign(python: Path, count: int) -> None:
    fresh = CACHE.with_name("tokens.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    command = [str(python), str(HERE / "sign_tokens.py"), str(fresh), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + count / 100)
    if done.returncode != 0:
        raise BenchError("signing the tokens failed: " + done.stderr.strip()[-500:])
    shutil.rmtree(CACHE, ignore_errors=True)
    fresh.rename(CACHE)
