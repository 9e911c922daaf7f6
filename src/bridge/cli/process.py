"""What a long-running command does to its own process: logging, file limit, not outliving its parent."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from bridge.configuration import Configuration
from bridge.logs import logging_to

WANTED_FILES: Final = 65_536
"""Two descriptors a call (socket, recording) for more calls than one core carries."""

log = logging.getLogger(__name__)


@contextmanager
def running(configuration: Configuration, *, stop_with_stdin: bool) -> Iterator[None]:
    """
    Log as the settings say, with every secret masked, and allow as many sockets as the machine does.

    A signal ends the block instead of the process: uvicorn raises it again once it has shut down, and the
    last log lines are still to be written then.
    """
    settings = configuration.settings
    with logging_to(level=settings.log_level, form=settings.log_format, secrets=settings.secrets()):
        # A child of `bridge up` is silent: its parent has said the same.
        for warning in () if stop_with_stdin else configuration.warnings:
            log.warning("%s", warning)
        raise_file_limit()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end_the_block)
        if stop_with_stdin:
            threading.Thread(target=_stop_at_end_of_stdin, name="parent-watch", daemon=True).start()
        yield


def _end_the_block(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def raise_file_limit() -> None:
    """Raise the soft limit on open files as far as allowed; each call needs a socket and perhaps a file."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # macOS refuses more than its own maximum
        log.warning("the limit on open files stays at %d: %s", soft, error)


def _stop_at_end_of_stdin() -> None:
    """
    Stop in good order when the parent is gone.

    The parent holds the other end of our standard input and never writes: whatever ends it, even a kill that
    it cannot catch, closes that end. Works where there is no PR_SET_PDEATHSIG, and finishes recordings.
    """
    while os.read(0, 1):  # not through sys.stdin, whose lock must be free when Python shuts down
        pass
    os.kill(os.getpid(), signal.SIGTERM)
