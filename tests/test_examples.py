from __future__ import annotations

import ast
import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from bridge.sinks.registry import bind_all, find
from bridge.sinks.sink import BoundSink, marked
from bridge.testing import ScriptedCall, SinkContract, settle
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


@pytest.fixture
def own_sink(tmp_path: Path) -> Path:
    """A folder with the files that the page on sinks shows, each under the name in its first line."""
    page = (ROOT / "docs" / "howto" / "own-sink.md").read_text(encoding="utf-8")
    for language, name, code in re.findall(r"^```(python|toml)\n# (\S+)([^`]*)^```$", page, re.MULTILINE):
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"#{code}\n")
        assert name.endswith({"python": ".py", "toml": ".toml"}[language])
    assert page.count("```python") == len(list(tmp_path.glob("*.py"))), "a block does not name its file"
    return tmp_path


def test_the_tests_on_the_page_about_sinks_pass(own_sink: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=own_sink,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    contract = [name for name in dir(SinkContract) if name.startswith("test_")]
    assert f"{len(contract) + 1} passed" in run.stdout


def test_the_configuration_on_the_page_about_sinks_fits_its_sink(
    own_sink: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_sink)
    [table] = tomllib.loads((own_sink / "bridge.toml").read_text(encoding="utf-8"))["sinks"]
    [parrot] = bind_all([(table.pop("use"), table)])
    assert (parrot.label, dict(parrot.options)) == ("parrot", {"piece_ms": 300})


async def test_the_sink_in_a_thread_on_that_page_keeps_every_second(own_sink: Path) -> None:
    database = own_sink / "levels.db"
    call = ScriptedCall()
    async with call.running(find(f"{own_sink / 'levels.py'}:levels").bind({"database": str(database)})):
        await call.speaks(bytes([0x80, 0x00] * 80) * 100)
    assert call.outcomes == {"levels": "done"}
    with closing(sqlite3.connect(database)) as db:
        rows = db.execute("SELECT call, start_ms, round(level_dbfs, 1) FROM levels").fetchall()
    assert rows == [(call.session.sid, 0, -0.2), (call.session.sid, 1000, -0.2)]


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
