"""Which version runs here."""

from __future__ import annotations

import platform
from importlib.metadata import version


def version_text() -> str:
    """Name the product, its version and the Python under it."""
    return f"bridge {version('bridge')} on {platform.python_implementation()} {platform.python_version()}"
