"""
One error tree; each leaf says whose fault it is and how to mend it.

::

    BridgeError
    ├── ConfigurationError        a setting, bridge.toml or a sink's options are wrong (ours to mend)
    ├── AudioError                a file or payload is not the audio it claims to be
    ├── StreamError               the media-stream protocol was broken
    │   ├── LocalStreamError      by us: a command in a state that forbids it
    │   └── RemoteStreamError     by the peer: carries the close code for it
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
