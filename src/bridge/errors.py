"""
One error tree; each leaf says whose fault it is and how to mend it.

::

    BridgeError
    ├── ConfigurationError        a setting, bridge.toml or a sink's options are wrong (ours to mend)
    ├── AudioError                a file or payload is not the audio it claims to be
    ├── StreamError               the media-stream protocol was broken
    │   ├── LocalStreamError      by us: a command in a state that forbids it
    │   └── RemoteStreamError     by the peer: carries the close code for it
    ├── MalformedSip              bytes that are no SIP message: carries the status to refuse it with
    ├── SdpError                  a session description we cannot talk to: carries the SIP status for it
    ├── SipUnreachable            no way to a SIP peer: its name, its transport, or no port for the audio
    ├── DigestUnsupported         a challenge asks for a login that cannot be computed here
    ├── TwimlError                a TwiML document cannot be read: carries Twilio's code
    ├── InvalidField              a request names something impossible: field, fault and fix
    ├── CallError                 a call cannot do what was asked
    │   ├── CallEnded             it is over
    │   ├── CallUnknown           no such call here
    │   └── CallReadOnly          one-way stream: nothing can be played
    ├── ListenerOverflow          an events reader fell further behind than its bound
    └── CarrierError              Twilio (or the local carrier) did not do what was asked
        ├── CarrierRefused        it answered with an error: its code is kept
        └── CarrierUnreachable    no answer in time, or none that can be read
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipmessage import Request  # an extra: the server runs without it


class BridgeError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigurationError(BridgeError):
    """A setting is wrong; the message names it and how to mend it."""


class AudioError(BridgeError):
    """A file or payload is not the audio it claims to be."""


class StreamError(BridgeError):
    """The media-stream protocol was broken, by us or by the peer."""


class LocalStreamError(StreamError):
    """We tried to send something the stream's state forbids."""


class RemoteStreamError(StreamError):
    """
    The peer sent something wrong.

    Attributes:
        kind: A short fixed name for logs and counters, e.g. ``"not_json"``.
        close_code: The WebSocket close code that fits before ``start`` (RFC 6455 section 7.4.1).
        reason: One sentence for the peer, at most 120 bytes so that it fits a close frame.

    """

    def __init__(self, kind: str, reason: str, *, close_code: int = 1008) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.close_code = close_code


class MalformedSip(BridgeError):
    """
    What came is no SIP message, or none that may be acted upon.

    Attributes:
        reason: What is wrong with it, in one sentence; never quotes the message.
        status: The SIP status to refuse it with, or ``None`` where it is dropped without a word.
        request: As much of the request as an answer must copy; ``None`` if not even that could be read.

    """

    def __init__(self, reason: str, *, status: int | None = 400, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


class SdpError(BridgeError):
    """
    A session description that cannot be read, or describes nothing we can take part in.

    Attributes:
        status: The SIP status to refuse it with: 400 for what is none, 488 for what does not fit.

    """

    def __init__(self, message: str, *, status: int = 488) -> None:
        super().__init__(message)
        self.status = status


class SipUnreachable(BridgeError):
    """There is no way to a SIP peer: an unknown name or transport, or no port for the audio."""


class DigestUnsupported(BridgeError):
    """A digest header is malformed, or asks for an algorithm or a protection nobody here knows (RFC 7616)."""


class TwimlError(BridgeError):
    """
    A TwiML document is none that Twilio would run.

    Attributes:
        code: Twilio's own error code (https://www.twilio.com/docs/api/errors), e.g. 12100.

    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidField(BridgeError):
    """
    A request holds something impossible.

    Attributes:
        field: The request's name for it, as the caller wrote it.
        fault: What is wrong with the value, in one sentence.
        fix: What to send instead.

    """

    def __init__(self, field: str, fault: str, fix: str) -> None:
        super().__init__(f"{field}: {fault} {fix}")
        self.field = field
        self.fault = fault
        self.fix = fix


class CallError(BridgeError):
    """A call cannot do what was asked of it."""


class CallEnded(CallError):
    """The call, or its stream, is over."""


class CallUnknown(CallError):
    """No call with this SID is known here."""


class CallReadOnly(CallError):
    """The stream is one-way (``<Start><Stream>``): nothing can be played into it."""


class ListenerOverflow(BridgeError):
    """A reader of events fell further behind than its bound and was ended."""


class CarrierError(BridgeError):
    """Twilio, or the local carrier in its place, did not do what was asked."""


class CarrierRefused(CarrierError):
    """
    The carrier answered with an error.

    Attributes:
        status: Its HTTP status.
        code: Its own error code (https://www.twilio.com/docs/api/errors), or ``None``.
        more_info: Its documentation link for that code, or ``None``.

    """

    def __init__(
        self, message: str, *, status: int, code: int | None = None, more_info: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.more_info = more_info


class CarrierUnreachable(CarrierError):
    """The carrier gave no answer in time, or none that could be read."""
