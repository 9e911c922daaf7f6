"""Options that several commands share, each the command line's way to a setting of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Read this bridge.toml instead of ./bridge.toml."),
]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.  [BRIDGE_HOST, 127.0.0.1]")]
Port = Annotated[int | None, typer.Option("--port", help="TCP port of the server.  [BRIDGE_PORT, 5050]")]
PublicUrl = Annotated[
    str | None, typer.Option("--public-url", help="Where Twilio reaches the server.  [BRIDGE_PUBLIC_URL]")
]
CarrierHost = Annotated[
    str | None, typer.Option("--carrier-host", help="Address to listen on.  [BRIDGE_CARRIER_HOST, 127.0.0.1]")
]
CarrierPort = Annotated[
    int | None, typer.Option("--carrier-port", help="TCP port of the carrier.  [BRIDGE_CARRIER_PORT, 5070]")
]
Sink = Annotated[
    list[str] | None,
    typer.Option(
        "--sink",
        metavar="NAME",
        help="Give each call to this sink: a name, file.py:function or package.module:function. "
        "May be repeated; replaces every other list of sinks.  [BRIDGE_SINKS]",
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", help="debug, info, warning or error.  [BRIDGE_LOG_LEVEL, info]"),
]
LogFormat = Annotated[
    str | None, typer.Option("--log-format", help="text or json.  [BRIDGE_LOG_FORMAT, text]")
]
StopWithStdin = Annotated[bool, typer.Option("--stop-with-stdin", hidden=True)]
