"""Where a thread is: the line of somebody's own code in its stack."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

_PATHS: Final = sysconfig.get_paths()
_STANDARD: Final = (_PATHS["stdlib"], _PATHS["platstdlib"], "<frozen")
_PACKAGES: Final = (_PATHS["purelib"], _PATHS["platlib"])
_OURS: Final = str(Path(__file__).parents[1])
_RUNNERS: Final = ("asyncio.events", "asyncio.base_events", "asyncio.runners", "uvicorn")
"""What runs the event loop; whoever called that is not at work now."""


def whereabouts(thread_id: int) -> str:
    """
    Say where a running thread is, as ``file:line``.

    The innermost line that is neither the standard library's nor an installed package's nor ours says most to
    whoever reads it; without such a line the innermost one outside the standard library.
    """
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001  (the only way to see another thread's stack)
    if frame is None:
        return "an unknown place"
    frames = list(_at_work(frame))
    for frame in frames:
        if not _is_in(frame, (*_STANDARD, *_PACKAGES, _OURS)):
            return _place(frame)
    for frame in frames:
        if not _is_in(frame, _STANDARD) or _is_in(frame, _PACKAGES):
            return _place(frame)
    return _place(frames[0])


def _at_work(frame: FrameType) -> Iterator[FrameType]:
    yield frame
    while (caller := frame.f_back) is not None:
        if str(caller.f_globals.get("__name__")).startswith(_RUNNERS):
            return
        frame = caller
        yield frame


def _is_in(frame: FrameType, places: tuple[str, ...]) -> bool:
    return frame.f_code.co_filename.startswith(places)


def _place(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{frame.f_lineno}"
