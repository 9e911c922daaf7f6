"""``bridge listen``: hear a running call."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bridge.cli import option

if TYPE_CHECKING:
    from bridge.cli.audio_output import AudioOutput
    from bridge.cli.live_audio import LiveAudio

LATEST: Final = "latest"
_CHUNK_MS: Final = 100
_TRACKS: Final = ("inbound", "outbound", "both")


def _check_track(track: str) -> str:
    if track not in _TRACKS:
        raise typer.BadParameter(f"{track!r} is not one of {', '.join(map(repr, _TRACKS))}")
    return track


def listen(
    sid: Annotated[str, typer.Argument(help="The call's SID, or latest.", metavar="SID")],
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="Save a WAV file; - writes raw PCM16 to a pipe."),
    ] = None,
    play: Annotated[
        bool, typer.Option("--play", help="Play it with ffplay, play, aplay or paplay, the first found.")
    ] = False,
    track: Annotated[
        str,
        typer.Option(
            "--track",
            metavar=f"[{'|'.join(_TRACKS)}]",
            callback=_check_track,
            help="What the phone says, what it hears, or both: left and right.",
        ),
    ] = "both",
    rate_hz: Annotated[int, typer.Option("--rate-hz", help="8000, 16000, 24000 or 48000.")] = 8000,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the last seconds the server has kept.")
    ] = False,
    config: option.Config = None,
    port: option.Port = None,
) -> None:
    """
    Hear a running call.

    Waits for one that is not answered yet. A level meter in the terminal shows what comes, on standard error,
    so that pipes stay clean. Ends with the call, or by Ctrl-C; either is exit code 0, and a WAV file is whole
    then.
    """
    from bridge.cli.client import ServerClient
    from bridge.cli.live_audio import live_audio
    from bridge.cli.waiting import latest_call, wait_until_it_streams
    from bridge.configuration import load

    client = ServerClient.of(load(config=config, port=port).settings)
    query: dict[str, object] = {"track": track, "rate_hz": rate_hz, "chunk_ms": _CHUNK_MS}
    if from_start:
        query["from_start"] = "true"
    try:
        call_sid = latest_call(client) if sid == LATEST else sid
        wait_until_it_streams(client, call_sid)
        with live_audio(client, call_sid, query) as audio, ExitStack() as stack:
            outputs = [stack.enter_context(closing(one)) for one in _outputs(audio, output, play=play)]
            _hear(audio, track, outputs)
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # Whoever read standard output wants no more; Python would fail once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _outputs(audio: LiveAudio, output: str | None, *, play: bool) -> list[AudioOutput]:
    from bridge.cli.audio_output import Player, RawPipe, WavFile

    shape = {"rate_hz": audio.rate_hz, "channels": audio.channels}
    found: list[AudioOutput] = [Player(**shape)] if play else []
    if output == "-":
        found.append(RawPipe())
    elif output is not None:
        found.append(WavFile(Path(output), **shape))
    return found


def _hear(audio: LiveAudio, track: str, outputs: list[AudioOutput]) -> None:
    from bridge.cli.meter import Meter

    with closing(Meter(sys.stderr, track=track, rate_hz=audio.rate_hz)) as meter:
        for piece in audio:
            # What was lost becomes silence, so that time stays true.
            silence = bytes(piece.dropped_ms * audio.rate_hz // 1000 * 2 * audio.channels)
            for one in outputs:
                one.write(silence + piece.pcm)
            meter.take(piece.pcm, piece.dropped_ms)
