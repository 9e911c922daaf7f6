"""
What a SIP call costs the local carrier and the server behind it, each by itself.

sipp rings the carrier, every call speaks 20 ms frames and is echoed by the server; CPU time is taken from the
processes over the span in which all calls are up. Needs sipp (Debian: sip-tester).

    python -m benchmarks.bench_sip [--calls 40] [--seconds 20]
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from benchmarks.servers import LOAD_CORE, SERVER_CORE, pin, wait_for

SCENARIO: Final = Path(__file__).parent.parent / "tests" / "peers" / "sip" / "scenarios" / "uac_audio.xml"
CALLS_A_SECOND: Final = 20
SETTLE_S: Final = 2.0
ACCOUNT: Final = {
    "TWILIO_ACCOUNT_SID": f"AC{'1' * 32}",
    "TWILIO_AUTH_TOKEN": "2" * 32,
    "BRIDGE_LOCAL_CREDENTIALS": "true",
}


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    arguments: list[str], folder: Path, environment: dict[str, str], core: int
) -> Iterator[psutil.Popen]:
    """Run one of our processes on one core until the block ends."""
    with (folder / f"{arguments[0]}.log").open("w+") as said:
        command = [sys.executable, "-W", "ignore", "-m", "bridge", *arguments, "--log-level", "warning"]
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        pin(process, core)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)
            said.seek(0)
            sys.stderr.write(said.read())


def cpu_s(process: psutil.Process) -> float:
    """CPU time so far, the kernel's on its behalf too."""
    times = process.cpu_times()
    return float(times.user + times.system)


def speech(folder: Path) -> None:
    """Write a minute of a quiet buzz as bare μ-law."""
    (folder / "says.ulaw").write_bytes(bytes([0x90, 0xA0, 0x10, 0x20]) * (60 * 2000))


def sipp(folder: Path, sip_port: int, calls: int, talk_s: float) -> psutil.Popen:
    """Let sipp ring the carrier."""
    program = shutil.which("sipp")
    if program is None:
        sys.exit("This benchmark needs sipp: apt-get install sip-tester")
    words = [program, "-sf", str(SCENARIO), "-s", "hello", "-i", "127.0.0.1", "-mi", "127.0.0.1"]
    words += ["-p", str(free_port()), "-mp", "20000", "-m", str(calls), "-l", str(calls), "-nostdin"]
    words += ["-r", str(CALLS_A_SECOND), "-d", str(round(talk_s * 1000)), "-timeout", f"{talk_s + 60:.0f}s"]
    return psutil.Popen(
        [*words, f"127.0.0.1:{sip_port}"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def measure(calls: int, seconds: float) -> None:
    """Run it and print what each process took."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        speech(folder)
        port, carrier_port, sip_port = free_port(), free_port(), free_port()
        (folder / "bridge.toml").write_text(
            f"port = {port}\ncarrier_port = {carrier_port}\nsip_port = {sip_port}\n"
            f'sip_media_ports = "40000-49999"\n'
            f'[[routes]]\npattern = "*"\nurl = "http://127.0.0.1:{port}/incoming-call"\n'
        )
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("BRIDGE_", "TWILIO_"))}
        environment = {
            **kept,
            **ACCOUNT,
            "BRIDGE_TWILIO_API_BASE": f"http://127.0.0.1:{carrier_port}",
            "BRIDGE_UNSIGNED_SOCKETS_MAX": "10000",
        }
        carrier = stack.enter_context(running(["carrier"], folder, environment, SERVER_CORE))
        server = stack.enter_context(running(["serve", "--sink", "echo"], folder, environment, LOAD_CORE))
        wait_for(carrier_port, carrier)
        wait_for(port, server)
        setting_up_s = calls / CALLS_A_SECOND + SETTLE_S
        load = sipp(folder, sip_port, calls, setting_up_s + seconds + SETTLE_S)
        pin(load, LOAD_CORE)
        time.sleep(setting_up_s)
        began_s, before = time.perf_counter(), (cpu_s(carrier), cpu_s(server))
        time.sleep(seconds)
        span_s = time.perf_counter() - began_s
        used = cpu_s(carrier) - before[0], cpu_s(server) - before[1]
        failed = load.wait(120)
        memory_mb = carrier.memory_info().rss / 1e6
    print(f"{calls} SIP calls that are echoed, {seconds:g} s, sipp ended with {failed}:")
    for who, used_s in zip(("carrier", "server"), used, strict=True):
        percent = 100 * used_s / span_s / calls
        print(f"  {who:8s} {percent:6.3f} % of a core a call   {100 / percent:6.0f} calls a core")
    print(f"  carrier  {memory_mb:.0f} MB resident")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    measure(arguments.calls, arguments.seconds)


if __name__ == "__main__":
    main()
