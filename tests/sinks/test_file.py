"""Raw audio, to the byte."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.audio import g711
from bridge.errors import ConfigurationError
from bridge.sinks.registry import bind_all
from bridge.testing import settle
from tests.session.test_session import Phone

SAID = bytes(n % 256 for n in range(160 * 12))


async def written(**options: Any) -> Phone:
    phone = Phone(grace_s=5)
    run = asyncio.ensure_future(phone.session.run(bind_all([("file", options)])))
    for start in range(0, len(SAID), 160):
        phone.says(SAID[start : start + 160])
    await settle()
    phone.stops()
    await run
    assert phone.session.record.sinks == {"file": "done"}
    return phone


@pytest.mark.parametrize(("encoding", "expected"), [("pcm16", g711.decode_ulaw(SAID)), ("mulaw", SAID)])
async def test_each_stream_has_a_file_that_holds_its_audio_and_nothing_else(
    tmp_path: Path, encoding: str, expected: bytes
) -> None:
    for _ in range(2):
        await written(path=str(tmp_path), encoding=encoding)
    first, second = sorted(tmp_path.iterdir())
    assert first.read_bytes() == second.read_bytes() == expected
    assert first.suffix == {"pcm16": ".pcm16", "mulaw": ".ulaw"}[encoding]


async def test_another_rate_has_as_many_samples_more(tmp_path: Path) -> None:
    await written(path=str(tmp_path), rate_hz=24_000)
    (only,) = tmp_path.iterdir()
    assert only.stat().st_size == len(SAID) * 2 * 3


async def test_a_dash_is_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output))
    await written(path="-", encoding="mulaw")
    assert output.getvalue() == SAID


def test_options_are_checked_before_a_call_comes() -> None:
    for options in ({}, {"path": "x", "rate_hz": 11_025}, {"path": "x", "encoding": "mp3"}):
        with pytest.raises(ConfigurationError):
            bind_all([("file", options)])
