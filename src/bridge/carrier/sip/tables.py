"""
The tables of ``bridge.toml`` that say who there is: ``[[phones]]``, ``[[trunks]]`` and ``[[routes]]``.

They hold values and check them; what follows from them is decided in ``plan``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from bridge.sip.digest_value import ha1

MAX_DIALLED_CHARACTERS: Final = 255

_USER: Final = r"^[A-Za-z0-9_.!~*'()&=+$-]{1,64}$"
_NUMBER: Final = r"^\+[1-9][0-9]{6,14}$"
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(
            f"{error}; a network is written like 10.0.0.0/8, one address like 10.0.0.1"
        ) from None


def _url(value: object) -> object:
    if isinstance(value, str):
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("this is not an absolute http:// or https:// URL")
    return value


def read_tables(value: object) -> object:
    """Read tables written as one JSON list, which is how an environment variable holds them."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "[]")
    except ValueError:
        raise ValueError("tables in a variable are a JSON list of objects") from None


def _check_domain(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("this is no domain name")
    return value.lower()


def _check_ports(value: str) -> str:
    first, _, last = (part.strip() for part in value.partition("-"))
    if not (first.isdecimal() and last.isdecimal() and len(first) <= 5 and len(last) <= 5):
        raise ValueError("a range of ports is written like 30000-30999")
    if not 1024 <= int(first) < int(last) <= 65_535:
        raise ValueError("the first port is 1024 or higher, the last one higher than it and at most 65535")
    return f"{int(first)}-{int(last)}"


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
WebhookUrl = Annotated[str, BeforeValidator(_url)]
Number = Annotated[str, Field(pattern=_NUMBER)]
Domain = Annotated[str, AfterValidator(_check_domain)]
PortRange = Annotated[str, AfterValidator(_check_ports)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Phone(_Table):
    """One SIP phone that may register and be called."""

    user: str = Field(pattern=_USER, examples=["anna"])
    """Its user name: it registers with it, and `sip:anna@localhost` rings it."""
    ha1: SecretStr | None = Field(None, examples=["0123456789abcdef0123456789abcdef"])
    """MD5 of `user:realm:password`, the realm being `sip_domain`; `bridge phones hash anna` makes it."""
    password: SecretStr | None = Field(None, examples=["a long random text"])
    """The password itself, in place of `ha1`; everybody who reads the file can then read it."""
    number: Number | None = Field(None, examples=["+15551230001"])
    """A number in E.164 form that rings it too."""

    @field_validator("ha1")
    @classmethod
    def _check_ha1(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[0-9a-fA-F]{32}", value.get_secret_value()):
            raise ValueError("an ha1 has 32 hexadecimal digits")
        return value

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if (self.ha1 is None) == (self.password is None):
            raise ValueError("a phone needs either ha1 or password, and not both")
        if self.password is not None and not self.password.get_secret_value():
            raise ValueError("the password is empty")
        return self

    def ha1_at(self, realm: str) -> str:
        """Give the hash its logins are judged by (RFC 7616 section 3.4.2)."""
        if self.ha1 is not None:
            return self.ha1.get_secret_value().lower()
        return ha1(self.user, realm, self.password.get_secret_value() if self.password else "")


class Trunk(_Table):
    """A way to other numbers: a PBX or a provider, known by its address and, if it asks for one, a login."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", examples=["office"])
    """What logs call it, and what its `sid` is made from."""
    sid: str = Field("", pattern=r"^(BY[0-9a-fA-F]{32})?$", examples=[f"BY{32 * '0'}"])
    """What `Byoc` calls it: `BY` and 32 hexadecimal digits. Without it, the SID follows from the name."""
    host: str = Field(examples=["pbx.example.com"])
    """Where it is: a host name or an IP address."""
    port: int = Field(0, ge=0, le=65_535, examples=[5060])
    """Its port; 5060, or 5061 with `tls`, if it is not given."""
    transport: Literal["udp", "tcp", "tls"] = Field("udp", examples=["tls"])
    """How it is spoken to."""
    username: str | None = Field(None, min_length=1, max_length=255, examples=["4711"])
    """Our user name there, if it asks for one."""
    password: SecretStr | None = Field(None, examples=["a long random text"])
    """The password for it."""
    register_: bool = Field(default=False, alias="register", examples=[False])
    """Whether it wants us to register (providers with a changing address do, most PBX trunks do not)."""
    caller_ids: tuple[Number, ...] = Field((), examples=[["+15551230000"]])
    """Numbers calls through it may come from; the first one is shown in place of any other. Empty: any."""
    secure_media: bool = Field(default=False, examples=[False])
    """Whether the audio must be encrypted (SRTP, keys by SDES)."""
    prefixes: tuple[Annotated[str, Field(pattern=r"^\+[0-9]{0,15}$")], ...] = Field(
        (), examples=[["+49", "+43"]]
    )
    """Numbers that leave by it: those that begin so, the longest beginning wins. Empty: all."""
    inbound: tuple[Network, ...] = Field((), examples=[["192.0.2.0/28"]])
    """Networks it calls us from. Empty: its `host`, if that is an IP address."""

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        host = value.removeprefix("[").removesuffix("]")
        try:
            return str(ip_address(host))
        except ValueError:
            if not _HOST.fullmatch(host):
                raise ValueError("this is neither a host name nor an IP address") from None
            return host

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:  # as it came, of any type
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if not values.get("port"):
            values["port"] = 5061 if values.get("transport") == "tls" else 5060
        if not values.get("sid") and isinstance(values.get("name"), str):
            values["sid"] = f"BY{hashlib.sha256(values['name'].encode()).hexdigest()[:32]}"
        return values

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.register_ and self.username is None:
            raise ValueError("to register needs username and password")
        return self

    @property
    def register(self) -> bool:
        """Whether we are to register there; its own name is taken in Pydantic's models."""
        return self.register_

    def is_at(self, address: str) -> bool:
        """Whether it may call us from this IP address."""
        try:
            source = ip_address(address)
        except ValueError:
            return False
        if self.inbound:
            return any(source in network for network in self.inbound)
        return str(source) == self.host

    def shown(self, caller: str) -> str:
        """Give the caller it is told of: this one if it may be, else the first of ``caller_ids``."""
        return caller if not self.caller_ids or caller in self.caller_ids else self.caller_ids[0]


class Route(_Table):
    """Which webhook answers a call from a phone or a trunk."""

    pattern: str = Field(min_length=1, max_length=200, examples=["+1555123*"])
    """The user or number dialled; `*` at the end stands for anything, `/…/` is a regular expression."""
    url: WebhookUrl = Field(examples=["http://127.0.0.1:5050/incoming-call"])
    """The voice webhook that is asked what to do."""
    method: Literal["GET", "POST"] = Field("POST", examples=["POST"])
    """How it is asked."""
    fallback_url: WebhookUrl | None = Field(None, examples=["http://127.0.0.1:5051/incoming-call"])
    """Asked in its place when it fails."""

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        if len(value) > 1 and value.startswith("/") and value.endswith("/"):
            try:
                re.compile(value[1:-1])
            except re.error as error:
                raise ValueError(f"the regular expression cannot be read: {error}") from None
        return value

    def matches(self, dialled: str) -> bool:
        """Whether this is the route of a user or number."""
        if len(dialled) > MAX_DIALLED_CHARACTERS:
            return False
        if len(self.pattern) > 1 and self.pattern.startswith("/") and self.pattern.endswith("/"):
            return re.fullmatch(self.pattern[1:-1], dialled) is not None
        if self.pattern.endswith("*"):
            return dialled.startswith(self.pattern[:-1])
        return dialled == self.pattern


def named_twice(phones: Sequence[Phone], trunks: Sequence[Trunk]) -> str | None:
    """Say which name, number or SID stands in two tables; ``None`` if none does."""
    for table, names in (
        ("phones", [phone.user for phone in phones]),
        ("phones", [phone.number for phone in phones if phone.number]),
        ("trunks", [trunk.name for trunk in trunks]),
        ("trunks", [trunk.sid for trunk in trunks]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                return f"two [[{table}]] are called {name}: each name, number and SID may be there once"
    return None
