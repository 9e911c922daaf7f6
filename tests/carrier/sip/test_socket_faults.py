"""What is said of a connection that cannot be had."""

from __future__ import annotations

import errno
import ssl

import pytest

from bridge.carrier.sip.socket_faults import refusal


def unverified(why: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {why} (_ssl.c:1006)")
    error.verify_message = why
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (unverified("self-signed certificate"), "its certificate is not accepted: self-signed certificate"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "[SSL: WRONG_VERSION_NUMBER] wrong"),
        (
            OSError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 5061)"),
            "Connection refused",
        ),
        (ConnectionAbortedError("SSL handshake is taking longer"), "SSL handshake is taking longer"),
        (TimeoutError(), "no connection in 8 s"),
        (ValueError("label too long"), "label too long"),
    ],
)
def test_the_reason_is_said_in_words(error: Exception, words: str) -> None:
    assert refusal(error, 8.0) == words
