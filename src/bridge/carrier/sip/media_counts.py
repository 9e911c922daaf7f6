"""What went over the wire in one call's audio, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class MediaCounts:
    """
    What went over the wire, in packets; the last four in frames or packets of the jitter buffer.

    Attributes:
        sent: Given to the kernel.
        unsent: Refused by the kernel; lost.
        heard: Taken as audio or digits.
        strangers: From an address that is not the peer's.
        malformed: No RTP.
        ignored: RTP of a payload type that was not agreed on, or while the call is held.
        refused: SRTP that failed its check or was replayed.
        lost: Never arrived.
        late: Came after their time.
        concealed: Frames filled because their audio was missing.
        left_out: Frames thrown away to shorten the delay.
        restarts: How often the sender's time was found anew.

    """

    sent: int = 0
    unsent: int = 0
    heard: int = 0
    strangers: int = 0
    malformed: int = 0
    ignored: int = 0
    refused: int = 0
    lost: int = 0
    late: int = 0
    concealed: int = 0
    left_out: int = 0
    restarts: int = 0
