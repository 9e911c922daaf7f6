"""Files that hold a call's audio: their names, and the one thread that writes them all."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from bridge.calls.call import Call

WRITER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bridge-recordings")
"""One thread writes every recording: a slow disk delays files, never a call."""


def create(directory: Path, call: Call, suffix: str) -> BinaryIO:
    """
    Create a new file named by start time, call and stream; a name that exists gets a number.

    Raises:
        OSError: the directory or the file cannot be made.

    """
    directory.mkdir(parents=True, exist_ok=True)
    started = call.started_at.strftime("%Y%m%dT%H%M%SZ")
    stem = "_".join((started, _safe(call.sid), _safe(call.stream_sid)))
    for number in range(1, 1000):
        name = f"{stem}{suffix}" if number == 1 else f"{stem}_{number}{suffix}"
        try:
            return (directory / name).open("xb")
        except FileExistsError:
            continue
    raise FileExistsError(f"a thousand recordings are named {stem}")


def _safe(text: str) -> str:
    """Only what is harmless in a file name, and not too much of it."""
    return re.sub(r"[^A-Za-z0-9+.-]", "-", text)[:64].lstrip(".")
