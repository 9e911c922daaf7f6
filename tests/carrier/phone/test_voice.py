from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bridge.audio.g711 import decode_ulaw
from bridge.audio.level import level_dbfs
from bridge.carrier.phone import voice as voice_module
from bridge.carrier.phone.voice import MAX_CHARACTERS, Voice, espeak_voice
from tests.peers.program import program

PROGRAM = """#!{python}
import io, os, sys, wave
if sys.argv[1:] == ["--voices"]:
    sys.exit(print("Pty Language\\n 5 de --/M\\n 5 fr-be x\\n 5 fr-fr x\\n 5 en-us --/M x"))
text = sys.stdin.buffer.read()
with open({log!r}, "ab") as log:
    log.write(repr((sys.argv[1:], text)).encode() + b"\\n")
{body}
"""
SPEAKS = """
with wave.open(sys.stdout.buffer, "wb") as wav:
    wav.setnchannels(1); wav.setsampwidth(2); wav.setframerate(8000)
    wav.writeframesraw(b"\\x00\\x10" * {samples})
"""


class Program:
    """A program in espeak-ng's place, that notes how it was called."""

    def __init__(self, folder: Path, body: str) -> None:
        self._log = folder / "log"
        self.path = folder / "espeak-ng"
        self.path.write_text(PROGRAM.format(python=sys.executable, log=str(self._log), body=body))
        self.path.chmod(0o755)

    @property
    def asked(self) -> list[tuple[list[str], bytes]]:
        return [eval(line) for line in self._log.read_text().splitlines()]  # noqa: S307  (written above)


async def test_the_text_goes_in_by_standard_input_and_never_on_the_command_line(tmp_path: Path) -> None:
    fake = Program(tmp_path, SPEAKS.format(samples=800))
    payload = await Voice(str(fake.path)).say("--version; rm -rf ~\x00 ü", voice="man", language="de-DE")
    assert payload is not None
    assert len(payload) == 800
    [(arguments, text)] = fake.asked
    assert text.decode() == "--version; rm -rf ~  ü"
    assert arguments == ["-b", "1", "-v", "de+m3", "--stdin", "--stdout"]


async def test_what_was_said_once_is_remembered_by_text_and_voice(tmp_path: Path) -> None:
    fake = Program(tmp_path, SPEAKS.format(samples=800))
    voice = Voice(str(fake.path))
    first = await voice.say("hello")
    assert await voice.say("hello") == first
    assert len(fake.asked) == 1
    await voice.say("hello", language="fr-FR")
    assert len(fake.asked) == 2


async def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_module, "MAX_CACHED_BYTES", 2000)
    fake = Program(tmp_path, SPEAKS.format(samples=800))
    voice = Voice(str(fake.path))
    for text in ("one", "two", "three", "three", "one"):
        await voice.say(text)
    said = [text for _, text in fake.asked]
    assert said == [b"one", b"two", b"three", b"one"]


@pytest.mark.parametrize(
    "body", ["sys.exit(1)", "sys.stdout.write('no WAV file')", "import signal; signal.pause()"]
)
async def test_a_program_that_fails_is_logged_and_nothing_is_said(
    tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(voice_module, "_WITHIN_S", 1.0)
    fake = Program(tmp_path, body)
    assert await Voice(str(fake.path)).say("a secret") is None
    assert "espeak-ng" in caplog.text
    assert "secret" not in caplog.text


async def test_a_program_that_is_gone_is_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    assert await Voice("/nonexistent/espeak-ng").say("hello") is None
    assert "espeak-ng failed" in caplog.text


async def test_long_texts_are_cut_and_empty_ones_not_asked_for(tmp_path: Path) -> None:
    fake = Program(tmp_path, SPEAKS.format(samples=80))
    voice = Voice(str(fake.path))
    assert await voice.say(" \n") == b""
    await voice.say("x" * (MAX_CHARACTERS + 1))
    [(_, text)] = fake.asked
    assert len(text) == MAX_CHARACTERS


async def test_who_stops_waiting_leaves_no_program_behind(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    stuck = Program(tmp_path, f"open({str(begun)!r}, 'w').close(); import signal; signal.pause()")
    voice = Voice(str(stuck.path))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        saying = group.create_task(voice.say("hello"))
        await asyncio.to_thread(begun.read_bytes)  # returns once the program has opened and closed it
        saying.cancel()
    assert voice._turns._value == 2


KNOWN = ["en-us", "en-gb", "de", "fr-be", "fr-fr", "da", "es", "es-419", "cmn"]


@pytest.mark.parametrize(
    ("voice", "language", "expected"),
    [
        ("", "", "en-us"),
        ("man", "", "en-us+m3"),
        ("woman", "en-GB", "en-gb+f3"),
        ("alice", "da-DK", "da+f3"),
        ("man", "fr-CA", "fr-fr+m3"),
        ("Polly.Joanna", "", "en-us"),
        ("Google.es-MX-Standard-A", "", "es"),
        ("", "zh-CN", "cmn"),
        ("", "xx-YY", "en-us"),
        ("", "../../etc/passwd", "en-us"),
        ("", "-x", "en-us"),
        ("en; reboot", "", "en-us"),
    ],
)
def test_only_languages_the_program_named_reach_the_command_line(
    voice: str, language: str, expected: str
) -> None:
    assert espeak_voice(voice, language, KNOWN) == expected


@pytest.mark.peers
async def test_espeak_ng_speaks_at_telephone_level() -> None:
    voice = Voice(program("espeak-ng"))
    payload = await voice.say("One moment please, your call is being connected.")
    assert payload is not None
    assert 8000 < len(payload) < 6 * 8000
    assert -35 < level_dbfs(decode_ulaw(payload)) < -8
    longer = await voice.say("One moment please, your call is being connected. Thank you for waiting.")
    assert longer is not None
    assert len(longer) > len(payload)


@pytest.mark.peers
async def test_espeak_ng_knows_the_languages_and_voices_we_name() -> None:
    voice = Voice(program("espeak-ng"))
    default = await voice.say("Guten Tag")
    spoken = {await voice.say("Guten Tag", voice=name, language="de-DE") for name in ("", "man", "woman")}
    assert len(spoken) == 3
    assert default not in spoken
    assert None not in spoken
