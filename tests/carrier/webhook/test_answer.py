from __future__ import annotations

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from bridge.carrier.webhook.answer import failure_of, shown_url

KEY = ConnectionKey("app.example", 443, True, True, None, None, None)


def certificate_error(verify_code: int) -> Exception:
    error = ssl.SSLCertVerificationError()
    error.verify_code = verify_code
    return aiohttp.ClientConnectorCertificateError(KEY, error)


@pytest.mark.parametrize(
    ("fault", "code", "policy"),
    [
        (certificate_error(62), 11235, "ct"),
        (certificate_error(10), 11236, "ct"),
        (certificate_error(18), 11237, "ct"),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("host")), 11235, "ct"),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "handshake")), 11220, "ct"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")), 11210, "ct"),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")), 11202, "ct"),
        (aiohttp.ClientConnectorError(KEY, OSError(113, "no route")), 11205, "ct"),
        (aiohttp.ConnectionTimeoutError(), 11201, "ct"),
        (aiohttp.SocketTimeoutError(), 11205, "rt"),
        (TimeoutError(), 11203, "other"),
        (aiohttp.ServerDisconnectedError(), 11205, "other"),
        (aiohttp.ClientPayloadError("cut"), 11206, "other"),
        (ConnectionResetError(), 11205, "other"),
        (ValueError("port"), 11100, "other"),
    ],
)
def test_every_fault_has_twilios_code(fault: Exception, code: int, policy: str) -> None:
    failure = failure_of(fault, "https://app.example/voice")
    assert (failure.code, failure.policy) == (code, policy)
    assert failure.message


def test_urls_are_logged_without_login_and_query() -> None:
    assert (
        shown_url("https://user:pass@app.example/voice/a@b?token=1#ct=1") == "https://app.example/voice/a@b"
    )
    assert shown_url("nonsense") == "nonsense"
