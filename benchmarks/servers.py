"""The servers that are measured: each started on a core of its own, with no settings but these."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

HERE: Final = Path(__file__).parent
SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
PIPECAT_PYTHON: Final = HERE.parent / ".peers" / "pipecat" / "bin" / "python"
"""An environment that holds pipecat; ``make setup`` prepares it, nothing else needs it."""

_SERVE: Final = ("-m", "bridge", "serve", "--log-level", "warning")
_THROWER: Final = f"{HERE / 'hostile_sinks.py'}:raises_every_second"
_SLEEPER: Final = f"{HERE / 'hostile_sinks.py'}:sleeps_for_ever"

COMMANDS: Final[dict[str, Sequence[str]]] = {
    "naive echo": ("-m", "uvicorn", "naive:app", "--app-dir", str(HERE), "--log-level", "warning", "--port"),
    "picows echo": (str(HERE / "floor.py"), "{port}", "echo"),
    "picows discard": (str(HERE / "floor.py"), "{port}", "discard"),
    "pipecat echo": (str(HERE.parent / "tests" / "peers" / "pipecat_echo.py"), "{port}"),
    "bridge": (*_SERVE, "--port"),
    "bridge discard": (*_SERVE, "--sink", "null", "--port"),
    "bridge echo": (*_SERVE, "--sink", "echo", "--port"),
    "bridge wav": (*_SERVE, "--sink", "wav", "--port"),
    "bridge wav, echo": (*_SERVE, "--sink", "wav", "--sink", "echo", "--port"),
    "bridge log": (*_SERVE, "--sink", "log", "--port"),
    "bridge consumer": (*_SERVE, "--port"),
    "bridge all": (*_SERVE, "--sink", "wav", "--sink", "echo", "--port"),
    "bridge echo, disturbed": (
        *(*_SERVE, "--sink", "wav", "--sink", "echo"),
        *("--sink", _SLEEPER, "--sink", _THROWER, "--port"),
    ),
}
CONSUMED: Final = frozenset({"bridge consumer", "bridge all"})
"""Those whose calls each have one live consumer on the audio socket besides."""


@contextmanager
def server(name: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server until the block ends; gives its port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("BRIDGE_", "TWILIO_"))
    }
    environment["BRIDGE_UNSIGNED_SOCKETS_MAX"] = "10000"
    arguments = [str(port) if part == "{port}" else part for part in COMMANDS[name]]
    if str(port) not in arguments:
        arguments.append(str(port))
    python = str(PIPECAT_PYTHON) if name.startswith("pipecat") else sys.executable
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as said:
        command = [python, "-W", "ignore", *arguments]
        process = psutil.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said)
        try:
            pin(process, SERVER_CORE)
            try:
                wait_for(port, process)
            except (RuntimeError, TimeoutError) as error:
                said.seek(0)
                raise RuntimeError(f"{name}: {error}\n{said.read()[-2000:]}") from error
            yield port, process
        finally:
            process.terminate()
            process.wait(60)


def pin(process: psutil.Process, core: int) -> None:
    """Keep a process on one core, where the system and the machine can."""
    if hasattr(process, "cpu_affinity") and (os.cpu_count() or 1) > core:
        process.cpu_affinity([core])


def wait_for(port: int, process: psutil.Popen) -> None:
    """Return when the server takes connections."""
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
