"""Every sink that ships stands what is asked of everybody's."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.sinks.registry import find, installed
from bridge.sinks.sink import BoundSink
from bridge.testing import SinkContract
from tests.sinks.receivers import Application, Receiver


def bind(name: str, **options: Any) -> BoundSink:
    return find(name).bind(options)


class InFolder(SinkContract):
    """Sinks that write files."""

    folder: Path

    @pytest.fixture(autouse=True)
    def _in_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path


class TestEcho(SinkContract):
    max_lost_ms = 2000  # a live source never lags: what cannot be played in time is dropped

    def sink(self) -> BoundSink:
        return bind("echo")


class TestFile(InFolder):
    def sink(self) -> BoundSink:
        return bind("file", path=str(self.folder), track="both")


class TestStandardOutput(SinkContract):
    @pytest.fixture(autouse=True)
    def _output(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))

    def sink(self) -> BoundSink:
        return bind("file", path="-")


class TestHttp(SinkContract):
    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[BoundSink]:
        async with Receiver().running() as url:
            yield bind("http", url=url, chunk_ms=200)


class TestHttpFile(InFolder):
    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[BoundSink]:
        async with Receiver().running() as url:
            yield bind("http", url=url, mode="file", directory=self.folder)


class TestLog(SinkContract):
    def sink(self) -> BoundSink:
        return bind("log")


class TestNull(SinkContract):
    def sink(self) -> BoundSink:
        return bind("null")


class TestRelay(SinkContract):
    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[BoundSink]:
        async with Application().running() as url:
            yield bind("relay", url=url)


class TestTone(SinkContract):
    def sink(self) -> BoundSink:
        return bind("tone")


class TestWav(InFolder):
    def sink(self) -> BoundSink:
        return bind("wav", directory=self.folder)


class TestWavMixed(InFolder):
    def sink(self) -> BoundSink:
        return bind("wav", directory=self.folder, track="mix", encoding="mulaw")


def test_no_sink_that_ships_is_left_out() -> None:
    tested = {name.removeprefix("Test").lower() for name in globals() if name.startswith("Test")}
    assert {found.name for found in installed() if found.package == "bridge"} <= tested
