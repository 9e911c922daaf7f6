"""Work beside calls, whose faults stay its own."""

from __future__ import annotations

import logging
from collections.abc import Coroutine

log = logging.getLogger(__name__)


async def sheltered(work: Coroutine[object, object, None]) -> None:
    """Keep a fault of ours inside one piece of work: in a task group it would end all the others."""
    try:
        await work
    except Exception:
        log.exception("work beside a call failed")
