"""
Writes the reference that follows from the source: settings, commands, sinks, errors, and the two schemas.

``make docs`` runs it; a test fails while a page is not what it would write.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import typer.main
from pydantic import BaseModel
from typer.core import TyperGroup

from bridge import errors
from bridge.app import create_app
from bridge.calls.event_schema import event_schema
from bridge.cli import application
from bridge.configuration import TABLES
from bridge.settings import Settings, variable
from bridge.sinks.registry import installed

REFERENCE: Final = Path(__file__).parent / "reference"
NOTICE: Final = "<!-- Written by docs/generate.py from the source; `make docs` writes it anew. -->\n"

SETTINGS_INTRODUCTION: Final = """\
Precedence: command line > environment > `.env` > `bridge.toml` > default. `.env` and `bridge.toml` are looked
for in the working directory; `--config` or `BRIDGE_CONFIG` names another `bridge.toml`. An empty value takes
back what a weaker source has set, where a setting may be unset. An unknown `BRIDGE_…` or `TWILIO_…` variable
is named in a warning, an unknown key of `bridge.toml` is an error. `bridge doctor` shows the effective values
and where each comes from.

Sinks with options are tables of `bridge.toml`:

```toml
port = 5050

[[sinks]]
use = "wav"
directory = "recordings"

[[sinks]]
use = "loudness.py:loudness"
window_ms = 500
```
"""

COMMANDS_INTRODUCTION: Final = """\
Options stand above every other source of a setting; the names in brackets are the setting's own variable and
its default. Exit codes: 0 done, 1 it failed, 2 the command line or a setting is wrong.
"""

SINKS_INTRODUCTION: Final = """\
A sink is an async function that is given a call; its keyword-only parameters are its options. How to write
one: [your own sink](../howto/own-sink.md). Every sink also takes `restart = true`: if it fails, it is started
again after a pause that grows. `bridge sinks` lists what is installed.
"""


def settings_page() -> str:
    """Every setting with its meaning, default and names."""
    return _page(_settings())


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield SETTINGS_INTRODUCTION
    for name, field in Settings.model_fields.items():
        yield f"## `{variable(name)}`\n"
        yield " ".join((field.description or "").split()) + "\n"
        default = field.default
        shown = "unset" if default is None else "none" if default == () else f"`{default}`"
        example = (field.examples or [""])[0]
        yield f"Default: {shown}. In `bridge.toml`: `{name}`. Example: `{variable(name)}={example}`\n"
        if name in TABLES:
            yield from _table(name, TABLES[name])


def _table(name: str, table: type[BaseModel]) -> Iterator[str]:
    """Every field of one kind of table, with an example of each."""
    yield f"A `[[{name}]]` table has:\n"
    for own, field in table.model_fields.items():
        needed = " (required)" if field.is_required() else ""
        example = json.dumps((field.examples or [""])[0])
        described = " ".join((field.description or "").split())
        yield f"- `{field.alias or own}`{needed}: {described} Example: `{example}`"
    yield ""


def commands_page() -> str:
    """Every command with its options."""
    return _page(_commands())


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    yield COMMANDS_INTRODUCTION
    for name, command in _every_command(typer.main.get_group(application)):
        yield f"## `bridge {name}`\n"
        yield inspect.cleandoc(command.help or "") + "\n"
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                spelled = (
                    parameter.opts[0] if parameter.opts[0].startswith("-") else (parameter.name or "").upper()
                )
                yield f"- `{spelled}`: {getattr(parameter, 'help', '')}"
        yield ""


def _every_command(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give each command with its whole name, and after it the commands it has of its own."""
    for name, command in group.commands.items():
        yield prefix + name, command
        if isinstance(command, TyperGroup):
            yield from _every_command(command, f"{prefix}{name} ")


def sinks_page() -> str:
    """Every sink that ships, with its options."""
    return _page(_sinks())


def _sinks() -> Iterator[str]:
    yield "# Sinks\n"
    yield SINKS_INTRODUCTION
    for found in installed():
        if found.sink is None or found.package != "bridge":
            continue
        yield f"## `{found.name}`\n"
        yield inspect.getdoc(found.sink.function) or ""
        yield ""
        for name, field in found.sink.options.model_fields.items():
            default = "required" if field.is_required() else f"default `{field.default}`"
            yield f"- `{name}`: {default}"
        yield ""


def errors_page() -> str:
    """Every error and whose fault it is."""
    return _page(_errors())


def _errors() -> Iterator[str]:
    tree = inspect.cleandoc(errors.__doc__ or "").split("::\n", 1)[1]
    yield "# Errors\n"
    yield "Everything the package raises on purpose is a `BridgeError`:\n"
    yield "```text\n" + inspect.cleandoc(tree) + "\n```\n"
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.BridgeError):
            yield f"## `{name}`\n"
            yield inspect.getdoc(kind) or ""
            yield ""


def _page(parts: Iterator[str]) -> str:
    """Join a page; docstrings mark code with two backticks, Markdown with one."""
    text = re.sub(r"(?<!`)``(?!`)", "`", "\n".join([NOTICE, *parts]))
    return text.rstrip() + "\n"


def events_schema() -> str:
    """The JSON Schema of all events."""
    return _json(event_schema())


def openapi() -> str:
    """The OpenAPI description of every HTTP route."""
    return _json(create_app(Settings()).openapi())


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "sinks.md": sinks_page,
    "errors.md": errors_page,
    "events.schema.json": events_schema,
    "openapi.json": openapi,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
