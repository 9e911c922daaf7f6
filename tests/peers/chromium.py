"""A headless Chromium, told what to do by its DevTools protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

from tests.peers.program import program

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """One page (https://chromedevtools.github.io/devtools-protocol/)."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page; gives its value, or what its promise came to."""
        number = next(self._numbers)
        wanted = {"expression": script, "awaitPromise": True, "returnByValue": True}
        await self._socket.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": wanted}))
        while (answer := json.loads(await self._socket.recv())).get("id") != number:
            pass  # an event of the page
        assert "exceptionDetails" not in answer["result"], answer
        return answer["result"]["result"].get("value")


@asynccontextmanager
async def opened(directory: Path, url: str) -> AsyncIterator[Page]:
    """Open an address in a browser of its own; its profile lies in this directory."""
    browser = await asyncio.create_subprocess_exec(
        *(program("chromium"), *FLAGS, f"--user-data-dir={directory}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            port_file = directory / "DevToolsActivePort"
            while not port_file.exists() or "\n" not in port_file.read_text(encoding="utf-8"):
                assert browser.returncode is None, "chromium ended before it was ready"
                await asyncio.sleep(0.05)
            port = port_file.read_text(encoding="utf-8").partition("\n")[0]
            async with (
                aiohttp.ClientSession() as http,
                http.put(f"http://127.0.0.1:{port}/json/new?{url}") as answer,
            ):
                address = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
        async with connect(address, max_size=None) as socket:
            page = Page(socket)
            async with asyncio.timeout(30):
                while not await page.evaluate(
                    f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'"
                ):
                    await asyncio.sleep(0.05)
            yield page
    finally:
        if browser.returncode is None:
            browser.terminate()
            await browser.wait()
