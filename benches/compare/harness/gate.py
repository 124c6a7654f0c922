"""Correctness before speed: what must be refused is refused, what must pass passes, before and after every measurement."""

from __future__ import annotations

import http.client

from .errors import BenchError
from .settings import Setting
from .tokens import Tokens

REFUSALS = (401, 403)


def check(name: str, port: int, setting: Setting, tokens: Tokens | None) -> None:
    for path in some(setting.paths):
        if not setting.authenticated:
            expect(name, setting, port, path, None, (200,), "a plain request")
            continue
        if tokens is None:
            raise ValueError(f"the setting `{setting.name}` needs tokens")
        expect(name, setting, port, path, None, REFUSALS, "no token")
        for what, token in tokens.refused.items():
            expect(name, setting, port, path, token, REFUSALS, what)
        expect(name, setting, port, path, spoiled(tokens.good), REFUSALS, "a token with a changed signature")
        expect(name, setting, port, path, tokens.good, (200,), "a good token")


def some(paths: list[str]) -> list[str]:
    """The first, the middle and the last."""
    return list(dict.fromkeys([paths[0], paths[len(paths) // 2], paths[-1]]))


def spoiled(token: str) -> str:
    middle = token.rindex(".") + 100
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1:]


def expect(name: str, setting: Setting, port: int, path: str, token: str | None, allowed: tuple[int, ...], what: str) -> None:
    try:
        status, body = answer(port, path, token)
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{name} in {setting.name}: {what} at {path} got no answer: {error}") from error
    if status not in allowed:
        raise BenchError(f"{name} in {setting.name}: {what} at {path} was answered {status}, expected {' or '.join(map(str, allowed))}")
    if status == 200 and body != b"ok\n":
        raise BenchError(f"{name} in {setting.name}: {what} at {path} did not give the backend's answer but {body[:80]!r}")


def answer(port: int, path: str, token: str | None, timeout: float = 5) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read(1 << 24)
    finally:
        connection.close()
