"""Where sinks are found: entry points, ``package.module:function``, ``file.py:function``."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from bridge.errors import ConfigurationError
from bridge.sinks.sink import BoundSink, Sink, describe, marked

GROUP: Final = "bridge.sinks"
"""The entry-point group; the sinks that ship come through it like everybody else's."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of the registry: a sink, or why it could not be loaded."""

    name: str
    package: str
    version: str
    sink: Sink | None
    error: str | None = None


def installed() -> list[Found]:
    """Every sink that installed packages offer, by name; a broken one is listed with its error."""
    found: list[Found] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        package = point.dist.name if point.dist else "?"
        version = point.dist.version if point.dist else "?"
        try:
            found.append(Found(point.name, package, version, _load(point)))
        except Exception as error:  # noqa: BLE001  (a stranger's package: whatever it raises is reported)
            found.append(Found(point.name, package, version, None, f"{type(error).__name__}: {error}"))
    return found


def find(use: str) -> Sink:
    """
    Find one sink.

    Args:
        use: A registered name, ``package.module:function`` or ``path/file.py:function``.

    Raises:
        ConfigurationError: there is none; the message says what was looked for and what there is.

    """
    if ":" in use:
        return _import(use)
    for point in entry_points(group=GROUP):
        if point.name == use:
            try:
                return _load(point)
            except ConfigurationError:
                raise
            except Exception as error:
                raise ConfigurationError(
                    f"sink {use} cannot be loaded from {point.value}: {type(error).__name__}: {error}"
                ) from error
    if "," in use:
        each = " ".join(f"--sink {part.strip()}" for part in use.split(",") if part.strip())
        raise ConfigurationError(f"{use!r} is no name of one sink: repeat --sink: {each}")
    if use.endswith(".py") and Path(use).is_file():
        raise ConfigurationError(f"{use} is a file, not a function in it: write {_functions_of(Path(use))}")
    names = ", ".join(sorted({point.name for point in entry_points(group=GROUP)})) or "none"
    raise ConfigurationError(
        f"no sink is called {use!r}. Installed: {names}. Your own: file.py:function, package.module:function"
    )


def bind_all(choices: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[BoundSink, ...]:
    """
    Find and bind every configured sink; ``restart = true`` is an option of all.

    Raises:
        ConfigurationError: as ``find`` and ``Sink.bind``.

    """
    bound: list[BoundSink] = []
    for use, options in choices:
        own = {name: value for name, value in options.items() if name != "restart"}
        one = find(use).bind(own, restart=bool(options.get("restart", False)))
        same = sum(other.sink.name == one.label for other in bound)
        bound.append(
            BoundSink(f"{one.label}-{same + 1}", one.sink, one.options, one.restart) if same else one
        )
    return tuple(bound)


def _load(point: EntryPoint) -> Sink:
    function = point.load()
    return marked(function) or describe(point.name, function)


def _import(use: str) -> Sink:
    where, _, name = use.rpartition(":")
    try:
        module = _import_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"sink {use}: importing {where} failed: {type(error).__name__}: {error}"
        ) from error
    function = getattr(module, name, None)
    if function is None:
        raise ConfigurationError(f"sink {use}: {where} has no function {name!r}")
    return marked(function) or describe(name, function)


def _functions_of(path: Path) -> str:
    """Name what may be meant in a file, without running it: the marked functions, else the async ones."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        body = []
    functions = [one for one in body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    marked_ones = [
        one.name for one in functions if any("sink" in ast.unparse(mark) for mark in one.decorator_list)
    ]
    names = marked_ones or [one.name for one in functions if isinstance(one, ast.AsyncFunctionDef)]
    return " or ".join(f"{path}:{name}" for name in names or ["function"])


def _import_file(path: Path) -> object:
    if not path.is_file():
        raise ConfigurationError(f"sink file {path} does not exist (looked in {Path.cwd()})")
    module_name = f"bridge_sink_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"sink file {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # annotations are resolved through it
    spec.loader.exec_module(module)
    return module
