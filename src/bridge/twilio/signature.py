"""
``X-Twilio-Signature``: made and checked, for webhooks and for the media socket's handshake.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security and
https://www.twilio.com/docs/usage/security. Twilio signs the URL *it was given*, so the URL to check is the
public one, not what a proxy left of it; and it is not consistent about ports and trailing slashes, so
several spellings of one URL have to be tried (:func:`url_candidates`).
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1, sha256
from typing import Final
from urllib.parse import parse_qs

_DEFAULT_PORTS: Final = {"https": "443", "wss": "443", "http": "80", "ws": "80"}


def url_candidates(url: str) -> tuple[str, ...]:
    """
    Spell one URL in every way in which Twilio may have signed it.

    The scheme never changes, so an ``http`` signature is no good for an ``https`` URL and none but a ``wss``
    one opens the media socket. The query stays byte for byte. What varies:

    - ``user:password@`` and ``#fragment`` are never signed.
    - The port: voice webhooks over https are signed without it, over http with it, and a default port may be
      spelt out or not.
    - The trailing slash: for sockets on any path, elsewhere only where the path is empty.

    Args:
        url: Absolute URL as the peer was given it. Anything else is returned as it is: it matches nothing.

    Returns:
        The distinct candidates, likeliest first.

    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return (url,)
    rest = rest.partition("#")[0]
    path_at = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    authority, target = rest[:path_at], rest[path_at:]
    path, mark, query = target.partition("?")
    return tuple(
        dict.fromkeys(
            f"{scheme}://{host}{spelling}{mark}{query}"
            for spelling in _paths(scheme.lower(), path)
            for host in _hosts(scheme.lower(), authority.rpartition("@")[2])
        )
    )


def _hosts(scheme: str, host_port: str) -> tuple[str, ...]:
    """Give the host with its port as it came, without it, and with the scheme's default one."""
    host, colon, port = host_port.rpartition(":")
    if not colon or "]" in port:  # no port; an IPv6 address has colons of its own
        default = _DEFAULT_PORTS.get(scheme)
        return (host_port, f"{host_port}:{default}") if default else (host_port,)
    if port == _DEFAULT_PORTS.get(scheme):
        return host, host_port
    return (host_port, host) if scheme in {"http", "ws"} else (host, host_port)


def _paths(scheme: str, path: str) -> tuple[str, ...]:
    """Give the path as it came, then with its trailing slash the other way round where that may be signed."""
    if path in {"", "/"}:
        return path, "/" if not path else ""
    if scheme in {"ws", "wss"}:
        return path, path.removesuffix("/") if path.endswith("/") else f"{path}/"
    return (path,)


def sign(auth_token: str, url: str, form: Sequence[tuple[str, str]] = ()) -> str:
    """
    Compute the signature of one request.

    Args:
        auth_token: The account's primary Auth Token (not an API key's secret).
        url: Exactly the URL that is requested.
        form: The decoded form fields of a POST, in any order; empty for GET, JSON and the socket. Of a
            repeated name each distinct value counts once, as in Twilio's own helper library.

    Returns:
        Base64 of HMAC-SHA1 over the URL followed by the sorted names and values.

    """
    text = url + "".join(name + value for name, value in sorted(set(form)))
    # A form may hold what is no Unicode text; that must be a wrong signature, not an exception.
    digest = hmac.new(auth_token.encode(), text.encode("utf-8", "surrogatepass"), sha1).digest()
    return b64encode(digest).decode("ascii")


def is_signed(
    auth_token: str, urls: Iterable[str], form: Sequence[tuple[str, str]], signature: str | None
) -> bool:
    """
    Tell whether the signature fits any of the URLs, in time that does not depend on which or how well.

    Args:
        auth_token: The account's primary Auth Token; an empty one signs nothing, so the answer is no.
        urls: Every spelling to accept, from :func:`url_candidates`.
        form: The decoded form fields, as for :func:`sign`.
        signature: The header's value; ``None`` if it was absent.

    """
    if not auth_token or not signature:
        return False
    given = signature.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(sign(auth_token, url, form).encode(), given) for url in urls]
    return any(matches)


def is_signed_body(auth_token: str, urls: Iterable[str], body: bytes, signature: str | None) -> bool:
    """
    Tell whether a request with a body that is no form (JSON) is signed.

    Twilio then signs the URL alone, into which it has put ``bodySHA256``, the hex SHA-256 of the raw body.
    Without that parameter nothing vouches for the body, so the answer is no.
    """
    digest = sha256(body).hexdigest().encode()
    fitting = [url for url in urls if _claims_digest(url, digest)]
    return is_signed(auth_token, fitting, (), signature)


def _claims_digest(url: str, digest: bytes) -> bool:
    claimed = parse_qs(url.partition("?")[2]).get("bodySHA256", [])
    return len(claimed) == 1 and hmac.compare_digest(
        claimed[0].lower().encode("utf-8", "surrogatepass"), digest
    )
