"""Foreign programs: found, or the test fails saying how to get them."""

from __future__ import annotations

import shutil


def program(name: str) -> str:
    """Give the path of a program on PATH."""
    path = shutil.which(name)
    assert path is not None, f"{name} is not on PATH; run `make setup`, or these tests by `make test-peers`"
    return path
