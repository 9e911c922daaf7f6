from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from bridge.settings import Settings, variable
from tests.packaging.dockerfile import Instruction, exec_form, parse, stages

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LAST = stages(DOCKERFILE)[-1]


def values(name: str) -> list[str]:
    return [instruction.value for instruction in LAST if instruction.name == name]


def test_it_has_a_build_stage_and_a_small_last_one() -> None:
    first, last = stages(DOCKERFILE)
    assert first[0].value.endswith("AS build")
    assert "slim" in last[0].value
    assert not any("pip" in value for value in values("RUN"))


def test_it_runs_without_root() -> None:
    [user] = values("USER")
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) > 0


def test_it_listens_on_all_addresses_and_therefore_needs_a_key() -> None:
    [environment] = values("ENV")
    assert "BRIDGE_HOST=0.0.0.0" in environment
    assert "API_KEY" not in environment


def test_it_sets_only_settings_that_exist() -> None:
    [environment] = values("ENV")
    names = [pair.partition("=")[0] for pair in environment.split()]
    ours = {name for name in names if name.startswith("BRIDGE_")}
    assert ours <= {variable(name) for name in Settings.model_fields}
    assert values("EXPOSE") == [str(Settings().port)]


def test_its_health_check_is_python() -> None:
    [check] = values("HEALTHCHECK")
    program, flag, script = exec_form(check)
    assert (program, flag) == ("python", "-c")
    compile(script, "health check", "exec")
    assert "/healthz" in script


def test_it_starts_the_server() -> None:
    assert exec_form(values("CMD")[0]) == ["bridge", "serve"]


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert "*" in lines
    admitted = {line[1:] for line in lines if line.startswith("!")}
    copied = [i.value.split() for i in parse(DOCKERFILE) if i.name == "COPY" and "--from" not in i.value]
    assert {name for words in copied for name in words[:-1]} == admitted
    assert all(any(fnmatch(name, pattern) for pattern in admitted) for words in copied for name in words[:-1])


def test_the_reader_joins_lines_and_drops_comments() -> None:
    text = "# a\nFROM x AS build\nRUN one \\\n    && two\n# b\nENV A=1 \\\n    B=2\n"
    assert parse(text) == [
        Instruction("FROM", "x AS build"),
        Instruction("RUN", "one && two"),
        Instruction("ENV", "A=1 B=2"),
    ]
