"""The commands' way to a running server: plain HTTP, answers as JSON, faults as one sentence."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.errors import CarrierRefused, CarrierUnreachable
from bridge.settings import Settings

ANSWER_WITHIN_S: Final = 15.0
"""More than the 10 s in which the server promises an answer even if Twilio gives none."""

_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  (listened on; not to be called)


def local_url(host: str, port: int) -> str:
    """Say where something that listens on this address can be called from this machine."""
    host = _ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host and not host.startswith("[") else f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class ServerClient:
    """
    Talks to one server.

    Attributes:
        url: Where it is, without a slash at the end.
        api_key: Its key; ``None`` on loopback without one.

    """

    url: str
    api_key: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> ServerClient:
        """Address the server that runs with these settings on this machine."""
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return cls(local_url(settings.host, settings.port), key)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """
        Make one request.

        Returns:
            The decoded answer.

        Raises:
            CarrierUnreachable: No server answers there.
            CarrierRefused: It answered with an error; the message is its own, with the hint.

        """
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310  (http, from the settings)
        request.add_header("Accept", "application/json")
        if self.api_key:
            request.add_header("Authorization", f"Bearer {self.api_key}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            told = problem_sentence(error.read(), f"the server answered {error.code} {error.reason}")
            raise CarrierRefused(told, status=error.code) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise CarrierUnreachable(
                f"no server answers at {self.url} ({reason}). Start one with `bridge up` or `bridge serve`."
            ) from None


def problem_sentence(body: bytes, otherwise: str) -> str:
    """Read a problem (RFC 9457): what is wrong, where, and how to mend it; ``otherwise`` if it is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    parts = [str(problem[name]) for name in ("detail", "hint") if problem.get(name)]
    field = f"{problem['field']}: " if problem.get("field") else ""
    return field + (" ".join(parts) or otherwise)
