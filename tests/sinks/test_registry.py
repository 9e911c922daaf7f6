"""Where sinks are found, and what is said when they are not."""

from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.sinks import registry

OWN = '''
from bridge import Call, sink

@sink("mine")
async def mine(call: Call, *, size: int = 1) -> None:
    """My own."""

async def bare(call: Call) -> None: ...

NUMBER = 5
'''


def test_the_sinks_that_ship_come_through_the_entry_points() -> None:
    found = {entry.name: entry for entry in registry.installed()}
    assert {"wav", "echo", "log", "null"} <= set(found)
    assert all(entry.error is None and entry.package == "bridge" for entry in found.values())


def test_a_file_s_function_is_a_sink_marked_or_not(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    assert registry.find(f"{path}:mine").name == "mine"
    assert registry.find(f"{path}:bare").name == "bare"


def test_a_module_s_function_is_a_sink() -> None:
    assert registry.find("bridge.sinks.null:null").name == "null"


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("wave", "no sink is called 'wave'. Installed: .*wav"),
        ("nowhere.py:x", "nowhere.py does not exist"),
        ("bridge.sinks.null:nothing", "has no function 'nothing'"),
        ("bridge.sinks.missing:x", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_found_is_said_with_what_there_is(use: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        registry.find(use)


def test_several_names_at_once_are_told_apart() -> None:
    with pytest.raises(ConfigurationError, match="repeat --sink: --sink wav --sink echo"):
        registry.find("wav,echo")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('@sink("hello")\nasync def greet(call): ...\nasync def other(): ...', "greeter.py:greet"),
        ("async def one(call): ...\nasync def two(call): ...", "greeter.py:one or greeter.py:two"),
        ("x = 1", "greeter.py:function"),
        ("x =", "greeter.py:function"),
    ],
)
def test_a_file_without_its_function_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("greeter.py").write_text(text)
    with pytest.raises(ConfigurationError, match=f"write {meant}$"):
        registry.find("greeter.py")


def test_a_file_that_fails_says_how(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("1 / 0")
    with pytest.raises(ConfigurationError, match="ZeroDivisionError"):
        registry.find(f"{path}:x")
    path.write_text(OWN)
    with pytest.raises(ConfigurationError, match="async def"):
        registry.find(f"{path}:NUMBER")


def test_the_same_sink_twice_gets_two_labels_and_restart_is_everybody_s_option() -> None:
    first, second = registry.bind_all([("null", {}), ("null", {"restart": True, "chunk_ms": 100})])
    assert (first.label, second.label) == ("null", "null-2")
    assert (first.restart, second.restart) == (False, True)
    assert second.options == {"chunk_ms": 100}
