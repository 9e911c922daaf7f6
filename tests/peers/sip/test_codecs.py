"""What peers may choose: the law, the length of a packet, and how digits are sent."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.audio.tone import DTMF_HZ
from tests.peers.program import program
from tests.peers.sip.baresip import Baresip, Phone
from tests.peers.sip.linphone import DigitsBy, Linphone, Setup
from tests.peers.sip.ports import Ports
from tests.peers.sip.running_program import RunningProgram
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import SAYS_DBFS, SAYS_HZ, Site
from tests.peers.sip.spectrum import read, tone_dbfs, tone_s
from tests.peers.sip.speech_file import LEVEL_DBFS, tone_wav

pytestmark = pytest.mark.peers

PHONE_HZ: Final = 440
LOUDNESS_DB: Final = 0.5
"""How far a level may be off: taken for the other law it would be 2 dB or more, and noise."""

GAP_DB: Final = 3.0
"""The site's tone fades for a moment once a second, by 1.4 dB of 20 ms; a gap would be 6 dB at least."""

BESIDE: Final = 8
"""From sipp's own media port to one that it leaves alone."""

NUMBERS: Final = {"PCMU": 0, "PCMA": 8}

Direction = Literal["placed", "received"]
DIRECTIONS: Final[list[Direction]] = ["placed", "received"]


def levels_dbfs(path: Path, channel: int = 0) -> list[float]:
    """Give the level of each 20 ms from the first that is loud to the last one."""
    samples, rate_hz = read(path, channel)
    count = rate_hz // 50
    frames = samples[: len(samples) // count * count].reshape(-1, count)
    level = 20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-9)
    loud = np.flatnonzero(level > LEVEL_DBFS - 3)
    assert len(loud), f"nothing is loud in {path}"
    return [float(one) for one in level[loud[0] : loud[-1] + 1]]


def assert_tone(path: Path, hz: float, dbfs: float, *, least_s: float) -> None:
    """It is this tone at this level, for so long, and nothing else."""
    assert tone_s(path, hz) >= least_s
    assert tone_dbfs(path, hz) == pytest.approx(dbfs, abs=LOUDNESS_DB)


def assert_no_gaps(path: Path, dbfs: float) -> None:
    """From its beginning to its end no 20 ms are missing, or filled in at half the level."""
    levels = levels_dbfs(path)[1:-1]  # the first and the last may hold a part of it
    weak = {number: round(level, 1) for number, level in enumerate(levels) if abs(level - dbfs) > GAP_DB}
    assert not weak, f"{len(weak)} of {len(levels)} frames: {weak}"


def keys(path: Path, channel: int = 0) -> str:
    """Read the digits that are heard as pairs of tones: each where 40 ms hold hardly anything else."""
    samples, rate_hz = read(path, channel)
    count = rate_hz // 25
    time_s = np.arange(count) / rate_hz
    found = [" "]
    for at in range(0, len(samples) - count, count // 2):
        part = samples[at : at + count]
        energy = float(np.sum(part**2)) + 1e-9

        def share(hz: float, part: NDArray[np.float64] = part, energy: float = energy) -> float:
            return float(abs(np.sum(part * np.exp(-2j * np.pi * hz * time_s))) ** 2 * 2 / count / energy)

        loudest, (low, high) = max(DTMF_HZ.items(), key=lambda pair: share(pair[1][0]) + share(pair[1][1]))
        is_digit = energy > 1e-2 and min(share(low), share(high)) > 0.3 and share(low) + share(high) > 0.8
        found.append(loudest if is_digit else " ")
    return "".join(now for before, now in pairwise(found) if now not in (before, " "))


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_baresip_speaks_only_a_law(tmp_path: Path, direction: Direction) -> None:
    phone = Phone(codecs="PCMA")
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, PHONE_HZ), phone) as far,
    ):
        sid = await baresip_call(site, far, direction)
        await far.hears(2.0)
        await far.hang_up()
        await site.state(sid, "completed")
        assert "PCMU" not in described_by(far.trace, far.ports)
        heard, recorded = await far.heard(), await site.recorded(sid)
        assert_tone(heard, SAYS_HZ, SAYS_DBFS, least_s=1.25)
        assert_tone(recorded, PHONE_HZ, LEVEL_DBFS, least_s=1.25)
        site.assert_unharmed()


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_linphone_speaks_only_a_law(tmp_path: Path, direction: Direction) -> None:
    says = tone_wav(tmp_path, PHONE_HZ)
    async with (
        Site.running(tmp_path) as site,
        Linphone.running(tmp_path, says, Setup(codec="PCMA")) as lin,
    ):
        sid = await linphone_call(site, lin, direction)
        await lin.hears(2.0)
        await lin.hang_up()
        await site.state(sid, "completed")
        assert "PCMU" not in described_by(lin.trace, lin.ports)
        assert_tone(await lin.heard(), SAYS_HZ, SAYS_DBFS, least_s=1.25)
        assert_tone(await site.recorded(sid), PHONE_HZ, LEVEL_DBFS, least_s=1.25)


@pytest.mark.parametrize("ptime_ms", [30, 40])
@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_baresip_wants_longer_packets(tmp_path: Path, direction: Direction, ptime_ms: int) -> None:
    """It gets 20 ms all the same, which it may (RFC 4566 section 6), and says 20 ms as we ask it to."""
    phone = Phone(ptime_ms=ptime_ms)
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, PHONE_HZ), phone) as far,
    ):
        sid = await baresip_call(site, far, direction)
        await far.hears(2.0)
        await far.hang_up()
        await site.state(sid, "completed")
        assert f"peer changed ptime_tx {ptime_ms}ms -> 20ms" in far.trace
        heard, recorded = await far.heard(), await site.recorded(sid)
        assert_tone(heard, SAYS_HZ, SAYS_DBFS, least_s=1.25)
        assert_tone(recorded, PHONE_HZ, LEVEL_DBFS, least_s=1.25)
        assert_no_gaps(heard, SAYS_DBFS)
        assert_no_gaps(recorded, LEVEL_DBFS)


@pytest.mark.parametrize("direction", DIRECTIONS)
async def test_linphone_wants_longer_packets(tmp_path: Path, direction: Direction) -> None:
    says = tone_wav(tmp_path, PHONE_HZ)
    async with Site.running(tmp_path) as site, Linphone.running(tmp_path, says, Setup(ptime_ms=40)) as lin:
        sid = await linphone_call(site, lin, direction)
        await lin.hears(2.0)
        await lin.hang_up()
        await site.state(sid, "completed")
        assert "a=ptime:40" in described_by(lin.trace, lin.ports)
        heard, recorded = await lin.heard(), await site.recorded(sid)
        assert_tone(heard, SAYS_HZ, SAYS_DBFS, least_s=1.25)
        assert_tone(recorded, PHONE_HZ, LEVEL_DBFS, least_s=1.25)
        assert_no_gaps(heard, SAYS_DBFS)
        assert_no_gaps(recorded, LEVEL_DBFS)


@pytest.mark.parametrize(("codec", "ptime_ms"), [("PCMU", 40), ("PCMU", 30), ("PCMA", 30), ("PCMA", 10)])
async def test_packets_of_another_length_are_heard_without_a_gap(
    tmp_path: Path, codec: str, ptime_ms: int
) -> None:
    """Phones say 20 ms when asked to. So sipp makes the call, and ffmpeg says in it what it likes."""
    traffic = Traffic(
        "uas_describes", keys={"audio": description(codec, ptime_ms, port=f"[media_port+{BESIDE}]")}
    )
    async with Site.running(tmp_path) as site, Sipp.running(tmp_path, traffic) as sipp:
        sid = await site.call(sipp.uri)
        await site.event("stream-started", call_sid=sid)
        await ffmpeg_says(
            tmp_path, codec, ptime_ms, ours=sipp.ports.media + BESIDE, theirs=port_in(sipp.messages)
        )
        await site.hang_up(sid)
        await sipp.succeeds()
        recorded = await site.recorded(sid)
        assert_tone(recorded, PHONE_HZ, LEVEL_DBFS, least_s=2.0)
        assert_no_gaps(recorded, LEVEL_DBFS)


@pytest.mark.parametrize("digits_by", ["event", "info", "both"])
async def test_each_digit_arrives_once_however_it_is_sent(tmp_path: Path, digits_by: DigitsBy) -> None:
    says, setup = tone_wav(tmp_path, PHONE_HZ), Setup(digits_by=digits_by)
    async with Site.running(tmp_path) as site, Linphone.running(tmp_path, says, setup) as lin:
        sid = await linphone_call(site, lin, "received")
        for number, digit in enumerate("5577#", 1):
            await lin.press(digit)
            await site.digits(sid, number)
            if digits_by != "event":
                await lin.logs("\nSignal=", number)
        await lin.hears(1.0)
        await lin.hang_up()
        await site.state(sid, "completed")
        assert await site.digits(sid, 5) == "5577#", "and none came after them"
        assert lin.trace.count("\nSignal=") == (0 if digits_by == "event" else 5)


async def test_linphone_without_events_hears_digits_as_tones(tmp_path: Path) -> None:
    says, setup = tone_wav(tmp_path, PHONE_HZ), Setup(digits_by="info")
    async with Site.running(tmp_path) as site, Linphone.running(tmp_path, says, setup) as lin:
        sid = await site.call(lin.uri, send_digits="1w9#")
        await lin.talks()
        await lin.hears(2.5)
        await lin.hang_up()
        await site.state(sid, "completed")
        assert "telephone-event" not in described_by(lin.trace, lin.ports)
        assert keys(await lin.heard()) == "19#"
        assert "\nINFO sip:" not in lin.trace, "tones, and nothing else"


async def baresip_call(site: Site, far: Baresip, direction: Direction) -> str:
    """Have one call the other; gives the call's SID once both talk."""
    if direction == "placed":
        sid = await site.call(far.uri)
        await far.event("CALL_ESTABLISHED")
        await site.event("stream-started", call_sid=sid)
        return sid
    await far.dial(site.uri("hello"))
    await far.event("CALL_ESTABLISHED")
    return await site.incoming()


async def linphone_call(site: Site, lin: Linphone, direction: Direction) -> str:
    if direction == "placed":
        sid = await site.call(lin.uri)
        await lin.talks()
        await site.event("stream-started", call_sid=sid)
        return sid
    await lin.dial(site.uri("hello"))
    await lin.talks()
    return await site.incoming()


def described_by(trace: str, ports: Ports) -> str:
    """Give the lines of the audio as the peer itself described it: it named a port of its own."""
    lines = trace.replace("\r", "").split("\n")
    for at, line in enumerate(lines):
        found = re.match(r"m=audio (\d+) ", line)
        if found and ports.media <= int(found[1]) <= ports.media_last:
            return "\n".join([line, *takewhile(lambda other: other[1:2] == "=", lines[at + 1 :])])
    raise AssertionError("it never described its audio")


def description(codec: str, ptime_ms: int, *, port: str) -> str:
    """Write the lines of audio for a scenario: one codec, and no events."""
    number = NUMBERS[codec]
    lines = f"m=audio {port} RTP/AVP {number}", f"a=rtpmap:{number} {codec}/8000", f"a=ptime:{ptime_ms}"
    return "\n      ".join(lines)


def port_in(messages: str) -> int:
    """Give the port of the first description in these messages: that of the offer."""
    found = re.search(r"m=audio (\d+) ", messages)
    assert found is not None
    return int(found[1])


async def ffmpeg_says(folder: Path, codec: str, ptime_ms: int, *, ours: int, theirs: int) -> None:
    """Say the tone for three seconds, in packets of this length."""
    count = ptime_ms * 8
    # By itself it is 1/8 of full scale, -21.07 dBFS.
    louder_db = LEVEL_DBFS + 21.07
    sine = f"sine=frequency={PHONE_HZ}:sample_rate=8000:duration=3:samples_per_frame={count}"
    command = [
        program("ffmpeg"),
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        f"{sine},volume={louder_db:.2f}dB",
    ]
    command += ["-c:a", {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}[codec], "-f", "rtp"]
    command.append(f"rtp://127.0.0.1:{theirs}?pkt_size={12 + count}&localrtpport={ours}")
    async with RunningProgram.started(*command, cwd=folder) as running:
        assert await running.ends() == 0, running.tail
