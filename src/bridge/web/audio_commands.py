"""What a program may send as text on ``WS /calls/{sid}/audio``: ``docs/reference/audio-socket.md``."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from bridge.errors import InvalidField
from bridge.web.json_fault import field_and_fault

_FIXES: Final = {
    "message": 'Send one JSON object, e.g. {"command":"clear"}.',
    "command": "Send clear, play-mark, digits or hangup.",
    "name": "Send a text of 1 to 200 characters.",
    "digits": "Send 1 to 100 of 0-9, *, #, A-D, w (half a second) and W (one), e.g. 1w2#.",
    "after_played": "Send true or false.",
}


class Clear(msgspec.Struct, frozen=True, tag_field="command", tag="clear", forbid_unknown_fields=True):
    """Stop what plays and drop what waits."""


class PlayMark(msgspec.Struct, frozen=True, tag_field="command", tag="play-mark", forbid_unknown_fields=True):
    """Tell by a ``mark`` event once everything sent before was played."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Digits(msgspec.Struct, frozen=True, tag_field="command", tag="digits", forbid_unknown_fields=True):
    """Play digits as dual tones, after everything sent before."""

    digits: Annotated[str, msgspec.Meta(pattern=r"\A[0-9*#A-Da-dwW]{1,100}\Z")]


class HangUp(msgspec.Struct, frozen=True, tag_field="command", tag="hangup", forbid_unknown_fields=True):
    """End the call, at once or when everything sent before was played."""

    after_played: bool = False


Command = Clear | PlayMark | Digits | HangUp

_decode: Final = msgspec.json.Decoder(Command).decode


def read_command(text: str) -> Command:
    """
    Read one text message.

    Raises:
        InvalidField: It is no command; the message names the field, what is wrong, and what to send.

    """
    try:
        command: Command = _decode(text)
    except msgspec.ValidationError as error:
        field, fault = field_and_fault(error, whole="message")
        if field == "digits":
            fault = "it holds something that is no digit, too many, or none."
        raise InvalidField(field, fault, _FIXES.get(field, "Leave it out.")) from error
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidField("message", "it is not JSON.", _FIXES["message"]) from error
    return command
