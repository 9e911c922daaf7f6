"""``bridge calls``: the calls a running server knows."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bridge.cli import option


def calls(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="How many at most, newest first.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's own answer.")] = False,
    config: option.Config = None,
    port: option.Port = None,
) -> None:
    """List the running server's calls, newest first."""
    from bridge.cli.client import ServerClient
    from bridge.cli.text import columns
    from bridge.configuration import load

    answer = ServerClient.of(load(config=config, port=port).settings).ask("GET", f"/calls?limit={limit}")
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    rows = [("SID", "DIRECTION", "FROM", "TO", "STATUS", "BEGAN (UTC)")]
    rows += [
        (
            str(call["sid"]),
            str(call["direction"]),
            str(call["from"] or "–"),
            str(call["to"] or "–"),
            str(call["status"]),
            str(call["created_at"])[:19].replace("T", " "),
        )
        for call in answer["calls"]
    ]
    print(columns(rows) if len(rows) > 1 else "No calls yet. Place one: bridge call sip:demo@localhost")
