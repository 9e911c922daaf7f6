"""SRTP with keys from the session description (RFC 3711, RFC 4568), on libsrtp through ``pylibsrtp``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.sip.crypto import Crypto

if TYPE_CHECKING:
    from pylibsrtp import Session


class SrtpSession:
    """
    One call's encryption, both ways, for RTP and RTCP.

    A packet that fails its check or was seen before is counted and gone; it never raises.

    Args:
        ours: The key we told the peer: for what we send.
        theirs: The key the peer told us: for what we receive.

    Attributes:
        refused: Packets that failed authentication or were replayed.

    Raises:
        ImportError: the extra ``sip`` is not installed.

    """

    def __init__(self, ours: Crypto, theirs: Crypto) -> None:
        # Here and not above: the carrier starts without the extra, it only cannot encrypt.
        from pylibsrtp import Error  # noqa: PLC0415

        self.refused = 0
        self._error: Final = Error
        self._ours = ours
        self._theirs = theirs
        self._sending = _session(ours, inbound=False)
        self._receiving = _session(theirs, inbound=True)

    def rekey(self, ours: Crypto, theirs: Crypto) -> None:
        """
        Take the keys of a new description.

        A direction whose key stays keeps its state: its sequence has turned an unknown number of times,
        which a fresh state would not know (RFC 3711 section 3.3.1).
        """
        if (ours.key, ours.suite) != (self._ours.key, self._ours.suite):
            self._sending = _session(ours, inbound=False)
        if (theirs.key, theirs.suite) != (self._theirs.key, self._theirs.suite):
            self._receiving = _session(theirs, inbound=True)
        self._ours, self._theirs = ours, theirs

    def protect(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTP packet that was built here."""
        return self._sending.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTCP packet that was built here."""
        return self._sending.protect_rtcp(packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        """Check and decrypt an RTP packet; ``None`` if it is not the peer's."""
        try:
            return self._receiving.unprotect(packet)
        except (self._error, ValueError):  # ValueError: longer than any packet
            self.refused += 1
            return None

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """Check and decrypt an RTCP packet; ``None`` if it is not the peer's."""
        try:
            return self._receiving.unprotect_rtcp(packet)
        except (self._error, ValueError):
            self.refused += 1
            return None


def _session(crypto: Crypto, *, inbound: bool) -> Session:
    from pylibsrtp import Policy, Session  # noqa: PLC0415

    profiles = {
        "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    }
    return Session(
        Policy(
            key=crypto.key,
            ssrc_type=Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=profiles[crypto.suite],
        )
    )
