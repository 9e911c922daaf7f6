"""What `from bridge import …` offers is what is promised, typed and lazy alike."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bridge


@pytest.mark.parametrize("name", bridge.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(bridge, name) is not None


def test_the_types_promise_the_same_names() -> None:
    tree = ast.parse(Path(bridge.__file__).read_text())
    typed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bridge.")
        for alias in node.names
    }
    assert typed | {"__version__"} == set(bridge.__all__)


def test_other_names_are_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bridge.nonsense


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("numpy", "fastapi", "twilio", "pydantic")
    program = f"import sys, bridge; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
