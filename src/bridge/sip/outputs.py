"""What the transaction layer tells its owner to do, or what has happened."""

from __future__ import annotations

from dataclasses import dataclass

from sipmessage import Request, Response

from bridge.sip.hop import Hop


@dataclass(frozen=True, slots=True)
class Transmit:
    """
    Send this.

    Attributes:
        data: The whole message.
        hop: Where to.

    """

    data: bytes
    hop: Hop


@dataclass(frozen=True, slots=True)
class Incoming:
    """
    A new request has come; it waits for ``respond``.

    Attributes:
        key: Names its transaction.
        request: With ``received`` and ``rport`` on its top Via.
        hop: Where its answers go.

    """

    key: str
    request: Request
    hop: Hop


@dataclass(frozen=True, slots=True)
class Cancelled:
    """
    The caller gives an INVITE up that has no final answer yet; 487 is what it wants to hear.

    Attributes:
        key: The INVITE's.
        request: The CANCEL, which is answered already; it may hold a Reason (RFC 3326).

    """

    key: str
    request: Request


@dataclass(frozen=True, slots=True)
class Acked:
    """
    An ACK of a 2xx, or one that fits nothing here; its dialog must say.

    Attributes:
        request: The ACK; it may bring the SDP answer.
        hop: Where it came from.

    """

    request: Request
    hop: Hop


@dataclass(frozen=True, slots=True)
class Answered:
    """
    A response to a request of ours; each copy of a 2xx to INVITE is told again, for it wants its ACK again.

    Attributes:
        key: Of the request.
        response: 100–699.
        hop: Where it came from.

    """

    key: str
    response: Response
    hop: Hop


@dataclass(frozen=True, slots=True)
class TimedOut:
    """
    No final response came to a request of ours (timer B or F, or 64·T1 after its CANCEL).

    Attributes:
        key: Of the request.

    """

    key: str


@dataclass(frozen=True, slots=True)
class Unacked:
    """
    Our final answer to an INVITE was never acknowledged (timer H; for a 2xx 64·T1, section 13.3.1.4).

    Attributes:
        key: The INVITE's.

    """

    key: str


@dataclass(frozen=True, slots=True)
class Failed:
    """
    A request of ours cannot be delivered: its way is gone, or too many are under way.

    Attributes:
        key: Of the request.

    """

    key: str


Output = Transmit | Incoming | Cancelled | Acked | Answered | TimedOut | Unacked | Failed
