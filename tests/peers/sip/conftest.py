from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: many calls or much time; short unless PEERS_SOAK=1 is set")
