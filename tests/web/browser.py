"""A client that talks to an application without a network."""

from __future__ import annotations

import httpx
from fastapi import FastAPI


def browse(
    app: FastAPI, *, peer: str = "127.0.0.1", host: str = "localhost:5050", root_path: str = ""
) -> httpx.AsyncClient:
    """Talk to this application as from ``peer``; its unforeseen errors come as answers, as from a server."""
    transport = httpx.ASGITransport(
        app, raise_app_exceptions=False, client=(peer, 40_000), root_path=root_path
    )
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")
