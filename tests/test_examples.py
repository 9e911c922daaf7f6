from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bridge.sinks.registry import find
from bridge.sinks.sink import marked

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def functions(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_sink_that_can_be_found_by_its_file(path: Path) -> None:
    [name] = functions(path)
    sink = find(f"{path}:{name}")
    assert sink.name == name
    assert sink.bind().sink is sink
    assert marked(sink.function) is sink


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_how_to_run_it(path: Path) -> None:
    [name] = functions(path)
    assert f"--sink examples/{path.name}:{name}" in path.read_text(encoding="utf-8")


def test_the_readme_shows_the_example_that_ships(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n", 1)[1].split("```", 1)[0]
    (tmp_path / "loudness.py").write_text(code)
    assert set(find(f"{tmp_path / 'loudness.py'}:loudness").options.model_fields) == {"window_ms"}
