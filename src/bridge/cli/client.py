"""The commands' way to a running server: plain HTTP, answers as JSON, faults as one sentence."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.cli.neighbour import Role, who_answers
from bridge.errors import CarrierRefused, CarrierUnreachable
from bridge.settings import Settings

ANSWER_WITHIN_S: Final = 15.0
"""More than the 10 s in which the server promises an answer even if Twilio gives none."""

_OTHER: Final[dict[Role, Role]] = {"server": "carrier", "carrier": "server"}
_NAMES: Final[dict[Role, str]] = {"server": "the server", "carrier": "the local carrier"}
_PORT_OPTIONS: Final[dict[Role, str]] = {
    "server": "--port (or BRIDGE_PORT)",
    "carrier": "--carrier-port (or BRIDGE_CARRIER_PORT)",
}
_MEANT_FOR_ANOTHER: Final = {401, 403, 404, 405}
"""What the one answers to requests that were meant for the other."""

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
        role: Whom we mean to ask.

    """

    url: str
    api_key: str | None = None
    role: Role = "server"

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
            raise self.refused(error.code, error.reason, error.read()) from None
        except (OSError, ValueError) as error:
            raise self.unreachable(getattr(error, "reason", error)) from None

    def refused(self, status: int, phrase: str, body: bytes) -> CarrierRefused:
        """Say what its refusal means; the wrong one of the two also answers, but never as was hoped."""
        if status in _MEANT_FOR_ANOTHER and who_answers(self.url) == _OTHER[self.role]:
            option = _PORT_OPTIONS[self.role]
            told = (
                f"{_NAMES[_OTHER[self.role]]} listens at {self.url}, not {_NAMES[self.role]}: mend {option}."
            )
            return CarrierRefused(told, status=status)
        return CarrierRefused(
            problem_sentence(body, f"{_NAMES[self.role]} answered {status} {phrase}"), status=status
        )

    def unreachable(self, reason: object) -> CarrierUnreachable:
        """Say that nobody answers, and who has to be started."""
        command = "serve" if self.role == "server" else "carrier"
        return CarrierUnreachable(
            f"no {self.role} answers at {self.url} ({reason}). "
            f"Start one with `bridge up` or `bridge {command}`."
        )


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
