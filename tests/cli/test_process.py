from __future__ import annotations

import subprocess
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no such limits, nor the module that sets them", allow_module_level=True)

import resource

LIMITS = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, {hard}))"
RAISE = "from bridge.cli.process import raise_file_limit; raise_file_limit()"
SHOW = "print(*r.getrlimit(r.RLIMIT_NOFILE))"


def limits_after_raising(hard: int) -> list[int]:
    """In a process of its own: a hard limit that was lowered cannot be raised again."""
    script = f"{LIMITS.format(hard=hard)}; {RAISE}; {SHOW}"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [int(word) for word in ran.stdout.split()]


def test_the_soft_limit_rises_to_the_hard_one() -> None:
    assert limits_after_raising(1024) == [1024, 1024]


def test_it_rises_no_further_than_one_core_can_use() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert limits_after_raising(hard)[0] == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
