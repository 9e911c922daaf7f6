"""One line of what ``bridge doctor`` reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One line of the report.

    Attributes:
        mark: ``WRONG`` keeps something from working, ``NOTE`` may surprise.
        text: What is so.
        mend: What to do about it; empty where nothing has to be done.

    """

    mark: Literal["ok", "NOTE", "WRONG"]
    text: str
    mend: str = ""
