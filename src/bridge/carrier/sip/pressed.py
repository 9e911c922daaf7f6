"""The digits a peer has pressed: as telephone events, as SIP INFO, or as both, and each is told once."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from bridge.clock import Clock
from bridge.sip.telephone_event import KEYPAD

Way = Literal["event", "info"]

_MOST_WAITING: Final = 256
"""More are passed over, because nobody presses that many before they are asked for."""

_SAME_PRESS_S: Final = 4.0
"""An INFO over UDP that was lost comes 3.5 s late at its third repetition (RFC 3261 section 17.1.2.2)."""

_MOST_SINGLE: Final = 32


class Pressed:
    """
    One call's digits on their way to us.

    Linphone and others can be set to send each press both ways, as an RFC 4733 event and as an INFO. So a
    digit that follows the same digit of the other way, within the time an INFO may take, is its copy. Each
    has at most one copy; who presses a key twice sends two of either.

    Attributes:
        waiting: Those that nobody has asked for yet, in their order.

    """

    def __init__(self, clock: Clock) -> None:
        self.waiting = ""
        self._now_s: Final = clock.now_s
        self._single: Final[deque[tuple[str, Way, float]]] = deque(maxlen=_MOST_SINGLE)

    def add(self, digit: str, way: Way) -> None:
        """Take a digit; what is none is passed over."""
        digit = digit.upper()
        if len(digit) != 1 or digit not in KEYPAD or self._is_copy(digit, way):
            return
        self._single.append((digit, way, self._now_s()))
        if len(self.waiting) < _MOST_WAITING:
            self.waiting += digit

    def take(self) -> str:
        """Give the digits that wait."""
        taken, self.waiting = self.waiting, ""
        return taken

    def _is_copy(self, digit: str, way: Way) -> bool:
        single, oldest_s = self._single, self._now_s() - _SAME_PRESS_S
        while single and single[0][2] < oldest_s:
            single.popleft()
        for at, (other, came, _) in enumerate(single):
            if other == digit and came != way:
                del single[at]
                return True
        return False
