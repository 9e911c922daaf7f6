"""
What a sink is: an async function that is given a call, its options keyword-only parameters.

One that blocks is marked ``thread=True`` and runs in a thread of its own; it may be a plain ``def`` then.

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
from typing import Any, Final, Literal, TypeVar, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bridge.calls.call import Call
from bridge.errors import ConfigurationError
from bridge.sinks.thread import run_in_thread

SinkFunction = Callable[..., Awaitable[None]]
ThreadFunction = Callable[..., Awaitable[None] | None]
F = TypeVar("F", bound=SinkFunction)
G = TypeVar("G", bound=ThreadFunction)
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
        thread: Whether it blocks and so runs in a thread of its own for every call.

    """

    name: str
    function: ThreadFunction
    options: type[BaseModel]
    summary: str = ""
    thread: bool = False

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
                f"{'.'.join(map(str, fault['loc'])) or 'options'}: {_said(fault['msg'])}"
                for fault in error.errors()
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
        if self.sink.thread:
            await run_in_thread(self.sink.function, call, self.options, label=self.label)
            return
        running = self.sink.function(call, **self.options)
        if running is not None:  # always: `describe` refuses a plain `def` without a thread
            await running


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")  # Pydantic's own, before what a validator has said


@overload
def sink(name: str, *, thread: Literal[False] = False) -> Callable[[F], F]: ...


@overload
def sink(name: str, *, thread: Literal[True]) -> Callable[[G], G]: ...


def sink(name: object, *, thread: bool = False) -> Callable[[G], G]:
    """
    Mark a function as a sink and name it.

    Args:
        name: What ``use`` calls it.
        thread: It blocks (it computes for long, or waits without ``await``): for every call it runs in a
            thread of its own. An ``async def`` gets a ``Call`` there as ever, a plain ``def`` a
            ``BlockingCall``.

    Raises:
        ConfigurationError: it is no such function, or takes no call; raised when it is marked.

    """
    if not isinstance(name, str):  # the function itself: the parentheses were forgotten
        bare = getattr(name, "__name__", "name")
        raise ConfigurationError(f'a bare @sink names nothing: write @sink("{bare}")')

    def mark(function: G) -> G:
        setattr(function, _MARK, describe(name, function, thread=thread))
        return function

    return mark


def marked(function: object) -> Sink | None:
    """The sink a function was marked as, or ``None``."""
    found = getattr(function, _MARK, None)
    return found if isinstance(found, Sink) else None


def describe(name: str, function: ThreadFunction, *, thread: bool = False) -> Sink:
    """
    Read a function's signature into a sink; ``thread`` is as in ``sink``.

    Raises:
        ConfigurationError: the signature is none of a sink; the message says what one looks like.

    """
    where = f"sink {name} ({getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')})"
    if not inspect.iscoroutinefunction(function):
        if not thread:
            raise ConfigurationError(
                f"{where}: a sink is an `async def` function; mark one that blocks @sink(…, thread=True)"
            )
        if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
            raise ConfigurationError(
                f"{where}: a sink with a thread is a `def` or `async def` without `yield`"
            )
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise ConfigurationError(f"{where}: a sink takes the call as its first parameter")
    for extra in parameters[1:]:
        if extra.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise ConfigurationError(
                f"{where}: parameter {extra.name} must be keyword-only; write `call, *, {extra.name}: …`"
            )
    try:
        hints = get_type_hints(function, include_extras=True)
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
    return Sink(name, function, model, (inspect.getdoc(function) or "").partition("\n")[0], thread)


_STRICT: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
