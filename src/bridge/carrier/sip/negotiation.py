"""Our side of one call's session description: what was offered, what was answered, under which number."""

from __future__ import annotations

import secrets
from typing import Final, Literal

from bridge.sip import sdp
from bridge.sip.sdp import AudioMedia, Crypto

Security = Literal["off", "optional", "required"]
"""Whether the audio is encrypted: never, where the peer offers it, or always."""


class Negotiation:
    """
    Offers and answers for one RTP socket (RFC 3264).

    Args:
        host: Our address as the peer reaches it.
        port: Our RTP port.
        security: Encryption of the audio.

    Attributes:
        key: Our own key, where the audio is encrypted.

    """

    def __init__(self, host: str, port: int, security: Security) -> None:
        self.key: Crypto | None = None
        self._host: Final = host
        self._port: Final = port
        self._security: Final[Security] = security
        self._session_id: Final = secrets.randbits(62)
        self._version = 0
        self._offered = b""

    def offer(self) -> bytes:
        """Describe what we can do."""
        self._version += 1
        secure = self._security == "required" or self.key is not None  # what was agreed on stays so
        if secure:
            self.key = self.key or sdp.new_crypto(1)
        keys = () if self.key is None else (self.key,)
        self._offered = sdp.offer(
            host=self._host,
            port=self._port,
            session_id=self._session_id,
            version=self._version,
            secure=secure,
            keys=keys,
        )
        return self._offered

    def answer(self, offer: bytes) -> tuple[bytes, AudioMedia]:
        """
        Answer the peer's offer; give the answer, and what the peer is to us.

        Raises:
            SdpError: nothing in it fits; ``status`` says how to refuse.

        """
        description = sdp.read(offer)
        self._version += 1
        return sdp.answer(
            description,
            host=self._host,
            port=self._port,
            session_id=self._session_id,
            version=self._version,
            security=self._security,
            new_key=self._new_key,
        )

    def take_answer(self, answer: bytes) -> AudioMedia:
        """Read the peer's answer to our offer. Raises ``SdpError``."""
        return sdp.read_answer(self._offered, answer)

    def _new_key(self, suite: str) -> Crypto:
        if self.key is None or self.key.suite != suite:
            self.key = sdp.new_crypto(1, suite)
        return self.key
