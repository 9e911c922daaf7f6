"""
A voice for ``<Say>``: espeak-ng, if that program is installed on this machine.

It is run as a program of its own and never linked or shipped (its licence is the GPL). What is to be said
goes in by its standard input, for a command line can be read by every user of the machine; a WAV file comes
back. Source: ``man espeak-ng``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from bridge.carrier.phone.wav_source import ulaw_from_wav
from bridge.errors import AudioError

MAX_CHARACTERS: Final = 4096
"""What Twilio reads of one ``<Say>`` (https://www.twilio.com/docs/voice/twiml/say#limits); more is cut."""

MAX_CACHED_BYTES: Final = 16 * 1024 * 1024
"""About half an hour of μ-law; what was said longest ago goes first."""

_MAX_WAV_BYTES: Final = 64 * 1024 * 1024
"""Half an hour at 22 kHz: many times what the longest text takes, so more is a fault of the program's."""

_WITHIN_S: Final = 10.0
"""For one text; it takes about a hundredth of the time the speech lasts."""

_AT_ONCE: Final = 2
"""Programs running at the same time; further texts wait for their turn."""

_DEFAULT_LANGUAGE: Final = "en-us"
_VENDOR_VOICE: Final = re.compile(r"Google\.(?P<language>[a-z]{2,3}-[A-Z]{2})-.+")
_VARIANTS: Final = {"man": "+m3", "woman": "+f3", "alice": "+f3"}
_SAME_LANGUAGE: Final = {"zh": "cmn", "cmn-cn": "cmn", "zh-cn": "cmn", "zh-hk": "yue", "no": "nb"}
"""What Twilio calls otherwise than espeak-ng does."""

_UNSPEAKABLE: Final = re.compile(r"[\x00-\x1f\x7f]+")

log = logging.getLogger(__name__)


class Voice:
    """
    Reads texts aloud, and remembers how they sounded.

    Args:
        program: Path of ``espeak-ng``.

    """

    def __init__(self, program: str) -> None:
        self._program: Final = program
        self._turns: Final = asyncio.Semaphore(_AT_ONCE)
        self._said: Final = OrderedDict[tuple[str, str, str], bytes]()
        self._said_bytes = 0
        self._languages = frozenset[str]()

    @classmethod
    def installed(cls) -> Voice | None:
        """Give the machine's voice; ``None`` if it has none."""
        program = shutil.which("espeak-ng")
        return None if program is None else cls(program)

    async def say(self, text: str, *, voice: str = "", language: str = "") -> bytes | None:
        """
        Say a text.

        Args:
            text: Plain; at most ``MAX_CHARACTERS`` of it are said.
            voice: As in ``<Say voice>``: ``man``, ``woman``, ``alice`` or a vendor's (whose language counts).
            language: As in ``<Say language>``, e.g. ``en-GB``; American English if it is unknown.

        Returns:
            μ-law at 8 kHz; ``None`` if the program failed, which the log then tells.

        """
        text = _UNSPEAKABLE.sub(" ", text[:MAX_CHARACTERS]).strip()
        if not text:
            return b""
        key = (text, voice, language)
        if key in self._said:
            self._said.move_to_end(key)
            return self._said[key]
        try:
            async with self._turns:
                payload = await self._speak(text, voice, language)
        except (OSError, AudioError, TimeoutError) as fault:
            log.warning("espeak-ng failed: %s", str(fault) or "no answer in time")
            return None
        self._remember(key, payload)
        return payload

    async def _speak(self, text: str, voice: str, language: str) -> bytes:
        if not self._languages:
            self._languages = read_languages(await self._run("--voices"))
        name = espeak_voice(voice, language, self._languages)
        # -b 1: the text is UTF-8
        wav = await self._run("-b", "1", "-v", name, "--stdin", "--stdout", text=text.encode())
        return await asyncio.to_thread(ulaw_from_wav, wav)

    def _remember(self, key: tuple[str, str, str], payload: bytes) -> None:
        self._said_bytes += len(payload) - len(self._said.pop(key, b""))
        self._said[key] = payload
        while self._said_bytes > MAX_CACHED_BYTES:
            self._said_bytes -= len(self._said.popitem(last=False)[1])

    async def _run(self, *options: str, text: bytes = b"") -> bytes:
        """Run the program; gives what it prints."""
        process = await asyncio.create_subprocess_exec(
            self._program, *options, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await _exchange(process, text)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _exchange(process: Process, text: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise AudioError("the program has no pipes")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may end without reading
        process.stdin.write(text)
        await process.stdin.drain()
    process.stdin.close()
    wav = bytearray()
    while piece := await process.stdout.read(65_536):
        wav += piece
        if len(wav) > _MAX_WAV_BYTES:
            raise AudioError(f"it gave more than {_MAX_WAV_BYTES} bytes for {len(text)} of text")
    return bytes(wav)


def read_languages(listing: bytes) -> frozenset[str]:
    """Read what ``espeak-ng --voices`` prints: a heading, then priority, language and more in each line."""
    lines = listing.decode("utf-8", "replace").splitlines()[1:]
    return frozenset(words[1].lower() for line in lines if len(words := line.split()) > 1)


def espeak_voice(voice: str, language: str, known: Collection[str]) -> str:
    """
    Choose the voice for ``<Say voice language>``.

    Only a language that the program has itself named gets this far: it stands on a command line. (Another
    spelling of one would do too, but the program then forgets whether a man or a woman is to speak.)
    """
    found = _VENDOR_VOICE.fullmatch(voice)
    wanted = (language or (found["language"] if found else "")).lower()
    wanted = _SAME_LANGUAGE.get(wanted, wanted)
    first = wanted.partition("-")[0]
    akin = sorted(name for name in known if name.partition("-")[0] == first)
    own = f"{first}-{first}"  # of several countries the one that gave it its name: fr-fr before fr-be
    name = next((name for name in (wanted, first, own, *akin) if name in known), _DEFAULT_LANGUAGE)
    return name + _VARIANTS.get(voice.lower(), "")
