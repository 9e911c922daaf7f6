"""
What a sink is: an async function that is given a call, its options keyword-only parameters.

::

    @sink("loudness")
    async def loudness(call: Call, *, window_ms: int = 1000) -> None:
        async for chunk in call.listen(chunk_ms=window_ms):
            print(call.sid, chunk.start_ms, chunk.level_dbfs)
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bridge.calls.call import Call
from bridge.errors import ConfigurationError

SinkFunction = Callable[..., Awaitable[None]]
_MARK: Final = "__bridge_sink__"


@dataclass(frozen=True, slots=True)
class Sink:
    """
    A sink as found: a function with a name.

    Attributes:
        name: What ``use`` calls it.
        function: Takes a call and the options as keywords.
        options: Validates the options; one field per keyword-only parameter.
        summary: First line of its docstring.

    """

    name: str
    function: SinkFunction
    options: type[BaseModel]
    summary: str = ""

    def bind(self, options: Mapping[str, Any] | None = None, *, restart: bool = False) -> BoundSink:
        """
        Fix the options.

        Raises:
            ConfigurationError: an option is unknown or wrong; the message names it.

        """
        try:
            model = self.options.model_validate(dict(options or {}))
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'options'}: {fault['msg']}" for fault in error.errors()
            )
            known = ", ".join(self.options.model_fields) or "none"
            raise ConfigurationError(f"sink {self.name}: {faults}. Its options: {known}") from None
        values = {name: getattr(model, name) for name in self.options.model_fields}
        return BoundSink(self.name, self, values, restart=restart)


@dataclass(frozen=True, slots=True)
class BoundSink:
    """A sink with its options: what a session runs. ``label`` is unique within one configuration."""

    label: str
    sink: Sink
    options: Mapping[str, Any] = field(default_factory=dict)
    restart: bool = False

    async def run(self, call: Call) -> None:
        """Give it a call."""
        await self.sink.function(call, **self.options)


def sink(name: str) -> Callable[[SinkFunction], SinkFunction]:
    """
    Mark a function as a sink and name it.

    Raises:
        ConfigurationError: it is no async function, or takes no call; raised when it is marked.

    """

    def mark(function: SinkFunction) -> SinkFunction:
        setattr(function, _MARK, describe(name, function))
        return function

    return mark


def marked(function: object) -> Sink | None:
    """The sink a function was marked as, or ``None``."""
    found = getattr(function, _MARK, None)
    return found if isinstance(found, Sink) else None


def describe(name: str, function: SinkFunction) -> Sink:
    """
    Read a function's signature into a sink.

    Raises:
        ConfigurationError: the signature is none of a sink; the message says what one looks like.

    """
    where = f"sink {name} ({getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')})"
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{where}: a sink is an `async def` function")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise ConfigurationError(f"{where}: a sink takes the call as its first parameter")
    for extra in parameters[1:]:
        if extra.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise ConfigurationError(
                f"{where}: parameter {extra.name} must be keyword-only; write `call, *, {extra.name}: …`"
            )
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise ConfigurationError(f"{where}: its annotations cannot be read: {error}") from error
    fields: dict[str, Any] = {
        option.name: (
            hints.get(option.name, Any),
            ... if option.default is inspect.Parameter.empty else option.default,
        )
        for option in parameters[1:]
    }
    model = create_model(f"{name}_options", __config__=_STRICT, **fields)
    return Sink(name, function, model, (inspect.getdoc(function) or "").partition("\n")[0])


_STRICT: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
