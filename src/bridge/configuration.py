"""
Where the settings come from: command line > environment > ``.env`` > ``bridge.toml`` > default.

Nothing else in the package reads the environment or these files.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from bridge.carrier.sip.tables import Phone, Route, Trunk
from bridge.errors import ConfigurationError
from bridge.settings import Settings, variable

DEFAULT: Final = "default"
"""The origin of a setting that nobody has set."""

CONFIG_VARIABLE: Final = "BRIDGE_CONFIG"
"""Names another ``bridge.toml``; not a setting, because it says where settings are."""

_SECRET: Final = frozenset({"api_key", "twilio_auth_token", "phones", "trunks"})
_VARIABLES: Final = frozenset({"command line", "environment", ".env", DEFAULT})
"""The origins that are told in the variables' spelling."""

TABLES: Final[dict[str, type[BaseModel]]] = {"phones": Phone, "trunks": Trunk, "routes": Route}
"""Settings that are lists of tables, and what one table is."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    The settings of this process and how they came about.

    Attributes:
        settings: The effective values.
        origins: For each field, which source it came from.
        warnings: What was found that has no effect, one sentence each.

    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...]


def load(*, config: Path | None = None, **command_line: Any) -> Configuration:
    """
    Read every source and put the strongest value of each setting together.

    Args:
        config: The ``bridge.toml`` to read, which must then exist; else ``BRIDGE_CONFIG``, else the one in
            the working directory if there is one.
        command_line: Values by field name; ``None`` means not given.

    Raises:
        ConfigurationError: A value is impossible; the message names the setting, the fault and an example.

    """
    environment = EnvSettingsSource(Settings)
    dotenv = DotEnvSettingsSource(Settings)
    named = config or _path(environment.env_vars) or _path(dotenv.env_vars)
    toml_path = named or Path("bridge.toml")
    layers: dict[str, Mapping[str, Any]] = {
        "command line": {name: value for name, value in command_line.items() if value is not None},
        "environment": _known(environment()),
        ".env": _known(dotenv()),
        toml_path.name: _read_toml(toml_path, must_exist=named is not None),
    }
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, DEFAULT)
    for source, layer in reversed(layers.items()):
        values.update(layer)
        origins.update(dict.fromkeys(layer, source))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, origins)) from None
    warnings = (
        *_unknown(environment.env_vars, "the environment"),
        *_unknown(dotenv.env_vars, ".env"),
        *_plain_passwords(settings, origins["phones"]),
    )
    return Configuration(settings, origins, warnings)


def _path(variables: Mapping[str, str | None]) -> Path | None:
    value = variables.get(CONFIG_VARIABLE.lower())
    return Path(value) if value else None


def _known(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in layer.items() if name in Settings.model_fields}


def _read_toml(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        layer = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationError(f"{path}: no such file. Mend --config or {CONFIG_VARIABLE}.") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read as TOML: {error}") from None
    for name in layer:
        if name not in Settings.model_fields:
            of_variable = {variable(field): field for field in Settings.model_fields}.get(name.upper())
            hint = f": meant {of_variable}?" if of_variable else _closest(name, Settings.model_fields)
            raise ConfigurationError(f"{path}: {name} is not a setting{hint}")
    for name in (*TABLES, "sinks"):
        if isinstance(layer.get(name), dict):
            raise ConfigurationError(
                f"{path}: [{name}] is one table, but there may be many: write [[{name}]]"
            )
    return layer


def _unknown(variables: Iterable[str], place: str) -> list[str]:
    known = {variable(name) for name in Settings.model_fields} | {CONFIG_VARIABLE}
    strange = sorted(name.upper() for name in variables if name.upper() not in known)
    return [
        f"{name} in {place} is no setting and has no effect{_closest(name, known)}"
        for name in strange
        if name.startswith(("BRIDGE_", "TWILIO_"))
    ]


def _plain_passwords(settings: Settings, origin: str) -> list[str]:
    return [
        f"the password of phone {phone.user} stands in {origin} for everybody to read: "
        f"put there the ha1 that `bridge phones hash {phone.user}` makes of it"
        for phone in settings.phones
        if phone.password is not None
    ]


def _closest(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, known, n=1)
    return f": meant {match[0]}?" if match else "."


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    """One line per fault: the setting, what is wrong, where it came from, and an example that works."""
    lines = []
    for fault in error.errors(include_url=False):
        message = fault["msg"].removeprefix("Value error, ")
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if name not in Settings.model_fields:
            lines.append(f"{name}: {message}" if name else message)
            continue
        if name in TABLES and len(fault["loc"]) > 1:
            place = f"{_place_in_table(name, fault['loc'])} from {origins[name]}"
            lines.append(_misplaced(place, fault) or f"{place}: {message}{_example_in_table(name, fault)}")
            continue
        given = "" if name in _SECRET or not isinstance(fault["input"], str | int) else f" {fault['input']!r}"
        in_file = origins[name] not in _VARIABLES
        called = name if in_file else variable(name)
        example = _example_in_file(name) if in_file else f"{called}={_example(name)}"
        lines.append(f"{called}:{given} from {origins[name]}: {message}. Example: {example}")
    return "\n".join(lines)


def _example(name: str) -> str:
    return str((Settings.model_fields[name].examples or [""])[0])


def _example_in_file(name: str) -> str:
    """Show a setting as ``bridge.toml`` spells it: tables by their heading, numbers without quotes."""
    if name == "sinks":
        return '[[sinks]] and below it use = "wav"'
    if name in TABLES:
        field, info = next(iter(TABLES[name].model_fields.items()))
        return f"[[{name}]] and below it {field} = {json.dumps((info.examples or [''])[0])}"
    example, default = _example(name), Settings.model_fields[name].default
    return f"{name} = {example if isinstance(default, bool | int | float) else json.dumps(example)}"


def _place_in_table(name: str, location: tuple[int | str, ...]) -> str:
    """Name a table, its place among its like, and its field: ``[[phones]] number 2, user``."""
    number = f" number {location[1] + 1}" if isinstance(location[1], int) else ""
    fields = [str(part) for part in location[2:3]]
    return ", ".join([f"[[{name}]]{number}", *fields])


def _misplaced(place: str, fault: ErrorDetails) -> str | None:
    """Recognise a setting below a heading: TOML gives all that stands there to that table."""
    field = str(fault["loc"][-1])
    if fault["type"] != "extra_forbidden" or field not in Settings.model_fields:
        return None
    return f"{place}: {field} is a setting of its own and belongs above the first [[table]]"


def _example_in_table(name: str, fault: ErrorDetails) -> str:
    """Show what works. What was given never is: it may be a password, or one under a misspelt name."""
    table, field = TABLES[name], str(fault["loc"][2]) if len(fault["loc"]) > 2 else ""
    known = {info.alias or own: info for own, info in table.model_fields.items()}
    if field in known:
        example = (known[field].examples or [""])[0]
        return f". Example: {field} = {json.dumps(example)}"
    return _closest(field, known).replace(": meant", ". Meant") if field else "."
