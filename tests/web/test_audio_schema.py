"""The schema of the audio socket fits what is really said on it, and what is really taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from bridge.app import create_app
from bridge.calls.event_json import VERSION
from bridge.errors import InvalidField
from bridge.settings import Settings
from bridge.web.audio_commands import read_command
from tests.running import running
from tests.web.audio_stage import calling, listening
from tests.web.test_media_stream import Server

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = json.loads((REFERENCE / "audio-socket.schema.json").read_text(encoding="utf-8"))
EVENTS = json.loads((REFERENCE / "events.schema.json").read_text(encoding="utf-8"))


def validator(definition: str) -> Draft202012Validator:
    registry = Registry().with_resources(
        [
            ("events.schema.json", Resource.from_contents(EVENTS)),
            ("audio-socket.schema.json", Resource.from_contents(SCHEMA)),
        ]
    )
    reference = {"$ref": f"audio-socket.schema.json#/$defs/{definition}"}
    return Draft202012Validator(reference, registry=registry)


def test_it_is_a_schema_of_this_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$defs"]["hello"]["properties"]["version"]["const"] == VERSION


async def test_everything_that_is_said_in_a_conversation_fits(tmp_path: Path) -> None:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        server = Server(app.state.bridge, port, tmp_path)
        async with calling(server) as phone, listening(server, "?track=both&rate_hz=16000") as program:
            await program.socket.send(b"odd")
            await program.command(command="dance")
            await program.socket.send(bytes(320))
            await program.command(command="play-mark", name="said")
            while phone.events.count("mark") < 3:  # those around what is played, and the one asked for
                await phone.hear_one()
            await phone.presses("5")
            await phone.says(2, lost_frames=2)
            await phone.hangs_up()
            await program.until("stream-ended")
    names = {message["event"] for message in program.told}
    assert names >= {"stream-started", "dtmf", "mark", "notice", "error", "stream-ended"}
    for message in (program.hello, *program.told):
        validator("from-server").validate(message)
        if message["event"] in {"hello", "notice", "error"}:
            validator(message["event"]).validate(message)
            assert set(message) <= set(SCHEMA["$defs"][message["event"]]["properties"])


@pytest.mark.parametrize(
    ("message", "is_good"),
    [
        ({"command": "clear"}, True),
        ({"command": "play-mark", "name": "x" * 200}, True),
        ({"command": "digits", "digits": "0123456789*#ABCDabcdwW"}, True),
        ({"command": "hangup"}, True),
        ({"command": "hangup", "after_played": True}, True),
        ({"command": "dance"}, False),
        ({"command": "clear", "more": 1}, False),
        ({"command": "play-mark"}, False),
        ({"command": "play-mark", "name": ""}, False),
        ({"command": "play-mark", "name": "x" * 201}, False),
        ({"command": "digits", "digits": ""}, False),
        ({"command": "digits", "digits": "1" * 101}, False),
        ({"command": "digits", "digits": "E"}, False),
        ({"command": "hangup", "after_played": 1}, False),
        ({}, False),
        ([], False),
    ],
)
def test_the_schema_and_the_server_take_the_same_commands(message: Any, *, is_good: bool) -> None:
    if is_good:
        validator("to-server").validate(message)
        read_command(json.dumps(message))
        return
    with pytest.raises(ValidationError):
        validator("to-server").validate(message)
    with pytest.raises(InvalidField):
        read_command(json.dumps(message))


def test_the_commands_of_the_page_are_those_of_the_schema() -> None:
    page = (REFERENCE / "audio-socket.md").read_text(encoding="utf-8")
    for one in SCHEMA["$defs"]["to-server"]["oneOf"]:
        assert f'{{"command": "{one["$ref"].rpartition("/")[2]}"' in page
    for code in SCHEMA["$defs"]["error"]["properties"]["code"]["enum"]:
        assert f"| `{code}` |" in page
