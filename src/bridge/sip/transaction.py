"""What all four kinds of transaction share: a state, and two alarms."""

from __future__ import annotations

from enum import Enum
from typing import Final

from bridge.sip.hop import Hop
from bridge.sip.outputs import Output, Transmit
from bridge.sip.timing import Timing


class State(Enum):
    """The states of RFC 3261 figures 5–8 and RFC 6026 figures 1–2."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Transaction:
    """
    A request and what is said about it, on one side.

    Args:
        key: Names it.
        hop: Where all it sends goes.
        timing: RFC 3261's times.

    Attributes:
        state: Where it stands.
        alarm_s: For its owner, who notes here for when it has set an alarm.

    """

    def __init__(self, key: str, hop: Hop, timing: Timing) -> None:
        self.key: Final = key
        self.hop: Final = hop
        self.state = State.TERMINATED
        self.alarm_s: float | None = None
        self._timing: Final = timing
        self._message: bytes = b""
        self._longest_wait_s = timing.t2_s
        self._interval_s = 0.0
        self._repeat_s: float | None = None
        self._end_s: float | None = None

    @property
    def due_s(self) -> float | None:
        """When ``fire`` wants to be called; ``None`` for never."""
        if self._repeat_s is None:
            return self._end_s
        return self._repeat_s if self._end_s is None else min(self._repeat_s, self._end_s)

    @property
    def is_over(self) -> bool:
        """Whether it can be forgotten."""
        return self.state is State.TERMINATED

    def fire(self, now_s: float) -> list[Output]:
        """Do what is due at ``due_s``: the end of the state goes before another copy."""
        if self._end_s is not None and now_s >= self._end_s:
            outputs = self._on_end(now_s)
            self._terminate()
            return outputs
        return self._on_repeat(now_s)

    def abandon(self) -> None:
        """Be over at once, without a word."""
        self._terminate()

    def _on_end(self, now_s: float) -> list[Output]:  # noqa: ARG002 - some kinds need the time
        """Say what the end of the present state means; nothing, unless a kind says otherwise."""
        return []

    def _on_repeat(self, now_s: float) -> list[Output]:
        """Send the last message again, and wait twice as long for the next time."""
        self._repeat_from(now_s, min(self._interval_s * 2, self._longest_wait_s))
        return self._transmit(self._message)

    def _repeat_from(self, now_s: float, interval_s: float) -> None:
        """Wake after this long, from now and not from when it was due: a late loop must not send a burst."""
        self._interval_s = interval_s
        self._repeat_s = now_s + interval_s

    def _rest(self, state: State, end_s: float | None) -> None:
        """Enter a state in which nothing is repeated."""
        self.state = state
        self._repeat_s = None
        self._end_s = end_s

    def _rest_unless_reliable(self, state: State, now_s: float, wait_s: float) -> None:
        """Wait for stray copies, which a reliable transport does not make (timers D, I, J and K are 0)."""
        if self.hop.is_reliable:
            self._terminate()
        else:
            self._rest(state, now_s + wait_s)

    def _terminate(self) -> None:
        self._rest(State.TERMINATED, None)

    def _transmit(self, data: bytes) -> list[Output]:
        return [Transmit(data, self.hop)]
