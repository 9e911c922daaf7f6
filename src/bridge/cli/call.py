"""``bridge call``: place a call through the running server."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli import option


def call(
    to: Annotated[str, typer.Argument(help="Phone number (+E.164), sip: URI or client: name.", metavar="TO")],
    from_: Annotated[
        str | None, typer.Option("--from", help="Caller: a number of yours.  [TWILIO_PHONE_NUMBER]")
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option("--sink", help="Sinks of this call instead of the server's; repeatable."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="Passed to every sink; repeatable."),
    ] = None,
    config: option.Config = None,
    port: option.Port = None,
) -> None:
    """Place a call to TO and print its SID."""
    from bridge.cli.client import ServerClient
    from bridge.configuration import load

    body: dict[str, object] = {"to": to}
    if from_:
        body["from"] = from_
    if sink:
        body["sinks"] = sink
    if parameter:
        body["parameters"] = dict(_pair(text) for text in parameter)
    client = ServerClient.of(load(config=config, port=port).settings)
    print(client.ask("POST", "/make-call", body)["call_sid"])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--parameter")
    return name, value
