"""Correctness before speed: what must be refused is refused, what must pass passes, before and after every measurement."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
from pathlib import Path

from .errors import BenchError
from .settings import Setting
from .tokens import Tokens
from .wire import GRPC_FIELDS, certificate, grpc_message

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
            # Where nothing is asked of the caller, no role is missing.
            allowed = (200,) if setting.authorize == "any" and "role" in what else REFUSALS
            expect(name, setting, port, path, token, allowed, what)
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
        status, body = asked(setting, port, path, token)
    except (OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{name} in {setting.name}: {what} at {path} got no answer: {error}") from error
    if status not in allowed:
        raise BenchError(f"{name} in {setting.name}: {what} at {path} was answered {status}, expected {' or '.join(map(str, allowed))}")
    if status == 200 and setting.protocol != "grpc" and body != b"ok\n":
        raise BenchError(f"{name} in {setting.name}: {what} at {path} did not give the backend's answer but {body[:80]!r}")


def asked(setting: Setting, port: int, path: str, token: str | None) -> tuple[int, bytes]:
    """One request in the setting's protocol. 502 stands for a gRPC answer that came without `grpc-status: 0`."""
    if setting.protocol == "https":
        return answer(port, path, token, context=trusting(certificate()[0]))
    if setting.protocol in ("h2c", "grpc"):
        return over_http2(setting.protocol, port, path)
    return answer(port, path, token)


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(certificate)
    return context


def over_http2(protocol: str, port: int, path: str) -> tuple[int, bytes]:
    """nghttp tells every frame, and the body between them."""
    call = ["--data", str(grpc_message()), *(f"--header={field}" for field in GRPC_FIELDS)] if protocol == "grpc" else []
    command = ["nghttp", "--verbose", "--timeout=5", "--no-dep", *call, f"http://127.0.0.1:{port}{path}"]
    told = subprocess.run(command, capture_output=True, timeout=10).stdout
    status = re.search(rb"recv \(stream_id=\d+\) :status: (\d+)", told)
    if not status:
        raise ConnectionError("no answer over HTTP/2")
    if protocol == "grpc" and b"grpc-status: 0" not in told:
        return 502, told
    return int(status[1]), b"ok\n" if b"ok\n" in told else told


def answer(port: int, path: str, token: str | None, timeout: float = 5, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read(1 << 24)
    finally:
        connection.close()
