"""What the settings put on the wire besides plain requests: a certificate, and one gRPC message."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from .errors import BenchError

GRPC_FIELDS = ("content-type: application/grpc", "te: trailers")
# Not compressed, 12 bytes: a field of type string, number 1, of 10 bytes.
GRPC_MESSAGE = bytes([0, 0, 0, 0, 12, 0x0A, 10]) + b"0123456789"
LIVES_DAYS = 30


@cache
def directory() -> Path:
    """Gone at the end with everything else: the run's own directory for temporary files is set before this is asked."""
    return Path(tempfile.mkdtemp(prefix="wire-"))


@cache
def certificate() -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, ECDSA on P-256: the same for every proxy."""
    site, key = directory() / "site.pem", directory() / "site.key"
    done = subprocess.run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(LIVES_DAYS), "-subj", "/CN=bench.example",
        "-addext", "subjectAltName=DNS:bench.example,IP:127.0.0.1", "-keyout", str(key), "-out", str(site),
    ], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise BenchError("openssl made no certificate: " + done.stderr.strip()[-300:])
    return site, key


@cache
def grpc_message() -> Path:
    """A file with one message in its frame (the gRPC protocol, "Length-Prefixed-Message")."""
    file = directory() / "message.bin"
    file.write_bytes(GRPC_MESSAGE)
    return file
