"""How long SIP waits (RFC 3261 table 4, RFC 6026 section 7)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """
    The three times from which all timers follow.

    Attributes:
        t1_s: Estimated round trip.
        t2_s: Longest wait between two copies of a request (not INVITE) or of a final answer to INVITE.
        t4_s: How long a message may stay in the network.

    """

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    def __post_init__(self) -> None:
        if min(self.t1_s, self.t2_s, self.t4_s) <= 0:
            raise ValueError("a SIP time is above zero")

    @property
    def timer_b_s(self) -> float:
        """An INVITE of ours that nobody answers is given up."""
        return 64 * self.t1_s

    @property
    def timer_d_s(self) -> float:
        """Wait for copies of a final answer to our INVITE, over UDP: 32 s at the usual T1."""
        return 64 * self.t1_s

    @property
    def timer_f_s(self) -> float:
        """Any other request of ours without a final answer is given up."""
        return 64 * self.t1_s

    @property
    def timer_h_s(self) -> float:
        """Wait for the ACK of our final answer to an INVITE."""
        return 64 * self.t1_s

    @property
    def timer_i_s(self) -> float:
        """Wait for copies of that ACK, over UDP."""
        return self.t4_s

    @property
    def timer_j_s(self) -> float:
        """Wait for copies of a request that we have answered, over UDP."""
        return 64 * self.t1_s

    @property
    def timer_k_s(self) -> float:
        """Wait for copies of a final answer to a request (not INVITE) of ours, over UDP."""
        return self.t4_s

    @property
    def timer_l_s(self) -> float:
        """Wait for copies of an INVITE that we have accepted (RFC 6026 section 7.1)."""
        return 64 * self.t1_s

    @property
    def timer_m_s(self) -> float:
        """Wait for copies, and other forks, of a 2xx to our INVITE (RFC 6026 section 7.2)."""
        return 64 * self.t1_s
