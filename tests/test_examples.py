from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bridge.sinks.registry import find
from bridge.sinks.sink import BoundSink, marked
from bridge.testing import ScriptedCall, settle
from tests.session.test_speech import frames

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


def bound(name: str) -> BoundSink:
    return find(f"{ROOT / 'examples' / name}.py:{name}").bind()


async def test_loudness_says_how_loud_the_phone_is(capsys: pytest.CaptureFixture[str]) -> None:
    call = ScriptedCall()
    async with call.running(bound("loudness")):
        await call.speaks(bytes([0x80, 0x00] * 80) * 60)
    sid = call.session.sid
    assert capsys.readouterr().out.splitlines() == [
        f"{sid}    0.0 s   -0.2 dBFS",
        f"{sid}    1.0 s   -0.2 dBFS",
    ]


async def test_digits_are_played_back_and_the_last_hangs_up() -> None:
    call = ScriptedCall()
    async with call.running(bound("digits")):
        call.presses("5")
        await settle()
        assert "media" in call.socket.events()
        call.presses("#")
        await settle()
    assert call.session.record.sinks == {"digits": "done"}


async def test_barge_in_stops_when_the_caller_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    call = ScriptedCall()
    async with call.running(bound("barge_in")):
        for frame in frames():
            call.sends(frame)
            await settle(3)
    assert call.socket.events().count("clear") == 1
    assert capsys.readouterr().out.startswith("interrupted after ")
