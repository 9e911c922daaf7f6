"""The command ``bridge``: one small file per subcommand, each importing what it runs only when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Final

import typer

from bridge.cli import call, calls, carrier, doctor, listen, phones, serve, simulate, sinks, up
from bridge.cli.version import version_text
from bridge.errors import BridgeError, ConfigurationError

application = typer.Typer(
    name="bridge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "up": up.up,
    "serve": serve.serve,
    "carrier": carrier.carrier,
    "call": call.call,
    "calls": calls.calls,
    "listen": listen.listen,
    "simulate": simulate.simulate,
    "sinks": sinks.sinks,
    "doctor": doctor.doctor,
}
for name, command in _COMMANDS.items():
    application.command(name)(command)
application.add_typer(phones.phones, name="phones")


def _print_version(value: bool) -> None:
    if value:
        print(version_text())
        raise typer.Exit


@application.callback()
def bridge(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """
    Phone calls into your Python.

    `bridge up` starts the server and a local carrier to try it on; `bridge doctor` says what is wrong.
    """


def main() -> None:
    """
    Run the command line; a fault the user can mend becomes one sentence, not a traceback.

    Exit codes: 0 done, 1 the thing failed, 2 the command line or a setting is wrong.
    """
    try:
        application()
    except BridgeError as error:
        print(f"bridge: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
