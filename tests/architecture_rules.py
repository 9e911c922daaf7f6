"""The rules of the house, read off the syntax tree: ranks, sizes, names and who may use what."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

RANKS: Final = (
    {"errors", "clock", "ticker", "masking"},
    {"audio", "mediastream", "sip", "pbx"},
    {"calls"},
    {"twilio", "sinks"},
    {"session"},
    {"web", "server", "carrier"},
    {"settings", "configuration", "logs", "log_flood", "metrics"},
    {"app", "cli", "testing", "__main__", "__init__"},
)
"""A file imports lower ranks and its own room."""

OPEN_RANKS: Final = {0, 6, 7}
"""Ranks whose members may import each other: the foundation, the observers and the top."""

NEVER: Final = {"carrier": {"session", "sinks", "web"}}
"""The carrier stands in Twilio's place and meets the server on the wire only."""

TASKS_OF_UVICORN: Final = PurePosixPath("server/websocket.py")
"""Uvicorn asks its protocols for the application's task and keeps it itself, in ``server_state.tasks``."""

MAX_FILE_LINES: Final = 300
MAX_FUNCTION_LINES: Final = 59
MAX_CONSTRUCTOR_PARAMETERS: Final = 8
FORBIDDEN_NAMES: Final = {
    "util", "utils", "helper", "helpers", "manager", "core", "common", "base", "misc",
}  # fmt: skip

Place = Callable[[PurePosixPath], bool]


def _in(*rooms: str) -> Place:
    return lambda path: path.with_suffix("").parts[0] in rooms


IMPORTS: Final[dict[str, Place]] = {
    "asyncio": lambda path: rank_of(path) >= 2 or path.name in {"clock.py", "ticker.py"},
    "fastapi": _in("web", "carrier", "app", "testing"),
    "starlette": _in("web", "carrier", "app", "testing"),
    "uvicorn": _in("server", "testing"),
    "picows": _in("server", "carrier"),
    "twilio": _in("twilio"),
    "aiohttp": _in("twilio", "sinks", "carrier"),
    "httpx": _in("sinks", "carrier", "testing"),
    "requests": _in(),
    "urllib.request": _in("cli"),
    "time": _in("clock"),
    "audioop": lambda path: path == PurePosixPath("audio/g711.py"),
    "pydantic_settings": _in("settings", "configuration"),
}
"""Modules that only some places may import."""

NAMES: Final[dict[str, Place]] = {
    "os.environ": _in("settings", "configuration", "cli"),
    "os.getenv": _in(),
    "datetime.now": _in("clock"),
    "datetime.utcnow": _in(),
    "datetime.today": _in(),
    "asyncio.create_task": _in(),
    "asyncio.ensure_future": _in(),
    "asyncio.get_event_loop": _in(),
    "logging.basicConfig": _in(),
    "logging.StreamHandler": _in("logs"),
    "logging.FileHandler": _in("logs"),
}
"""Dotted names that only some places may use."""


def rank_of(path: PurePosixPath) -> int:
    """Return the rank of a file, given its path below the package; ``KeyError`` for a room nobody knows."""
    return _rank(path.with_suffix("").parts[0])


def room_of(path: PurePosixPath) -> str:
    """Name a file's room: its folder, or its rank where all of a rank are one room."""
    return _room(path.with_suffix("").parts[0])


def _rank(name: str) -> int:
    for rank, rooms in enumerate(RANKS):
        if name in rooms:
            return rank
    raise KeyError(name)


def _room(name: str) -> str:
    return f"rank {_rank(name)}" if _rank(name) in OPEN_RANKS else name


def violations(path: PurePosixPath, source: str) -> list[str]:
    """
    Judge one file.

    Args:
        path: Below the package, e.g. ``carrier/phone/line.py``.
        source: What stands in it.

    Returns:
        One sentence per broken rule, each with its line; empty for a good file.

    """
    try:
        rank_of(path)
    except KeyError:
        return [f"{path}: stands in no known room"]
    tree = ast.parse(source)
    found = [*_shape(path, source)]
    for node in ast.walk(tree):
        found += [f"{path}:{getattr(node, 'lineno', 1)}: {fault}" for fault in _judge(path, node)]
    return found


def _shape(path: PurePosixPath, source: str) -> Iterator[str]:
    lines = source.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{path}: has {lines} lines, {MAX_FILE_LINES} at most"
    for part in (*path.parts[:-1], path.stem):
        if part in FORBIDDEN_NAMES:
            yield f"{path}: {part} says nothing; name what it knows"


def _judge(path: PurePosixPath, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            for alias in node.names:
                yield from _judge_import(path, alias.name)
        case ast.ImportFrom() if node.level:
            yield "relative import; write the whole name"
        case ast.ImportFrom():
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from _judge_import(path, node.module or "", names)
        case ast.Attribute():
            yield from _judge_name(path, ast.unparse(node))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _judge_function(node)
        case ast.Call():
            yield from _judge_call(path, node)


def _judge_import(path: PurePosixPath, module: str, names: list[str] | None = None) -> Iterator[str]:
    for name in [module] if names is None else [module, *names]:
        for guarded, allowed in IMPORTS.items():
            if (name == guarded or (name == module and name.startswith(f"{guarded}."))) and not allowed(path):
                yield f"imports {guarded}, which does not belong here"
    for name in names or []:
        yield from _judge_name(path, name)
    for target in _rooms_imported(module, names):
        yield from _judge_rank(path, target)


def _rooms_imported(module: str, names: list[str] | None) -> set[str]:
    """Name what is imported of our own: the first part after ``bridge``."""
    if module == "bridge":
        found = {name.split(".")[1] for name in names or []}
        return {name for name in found if any(name in rooms for rooms in RANKS)}
    return {module.split(".")[1]} if module.startswith("bridge.") else set()


def _judge_rank(path: PurePosixPath, target: str) -> Iterator[str]:
    here, there = room_of(path), _room(target)
    if here == there:
        return
    if there in NEVER.get(here, ()):
        yield f"{here} may not import {there}"
    elif _rank(target) > rank_of(path):
        yield f"{here} (rank {rank_of(path)}) imports {there} (rank {_rank(target)}), which is above it"
    elif _rank(target) == rank_of(path):
        yield f"{here} imports {there}, its sibling; app.py passes such things in"


def _judge_name(path: PurePosixPath, name: str) -> Iterator[str]:
    for guarded, allowed in NAMES.items():
        if (name == guarded or name.endswith(f".{guarded}")) and not allowed(path):
            yield f"uses {guarded}, which does not belong here"


def _judge_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines > MAX_FUNCTION_LINES:
        yield f"{node.name} has {lines} lines, {MAX_FUNCTION_LINES} at most"
    parameters = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) - 1
    if node.name == "__init__" and parameters > MAX_CONSTRUCTOR_PARAMETERS:
        yield f"constructor has {parameters} parameters, {MAX_CONSTRUCTOR_PARAMETERS} at most"


def _judge_call(path: PurePosixPath, node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name.endswith("Queue") and name.partition(".")[0] in {"asyncio", "queue", "Queue"}:
        bound = (
            node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "maxsize"), None)
        )
        if bound is None or (isinstance(bound, ast.Constant) and not bound.value):
            yield "makes a queue without a bound"
    if name.endswith(("loop.create_task", "loop().create_task")) and path != TASKS_OF_UVICORN:
        yield "makes a task outside a TaskGroup"
    if name.endswith(".addHandler") and room_of(path) != "rank 6":
        yield "adds a log handler; only logs.py does"
    if name == "asyncio.sleep" and path != PurePosixPath("clock.py") and ast.unparse(node.args[0]) != "0":
        yield "sleeps by the machine's clock; use the Clock that is passed in"
