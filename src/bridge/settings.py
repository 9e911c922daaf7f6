"""
Every setting in one place: its name, unit, default and help.

``Settings(…)`` takes values and reads nothing; ``configuration.load`` reads the environment and the files.
Precedence: command line > environment > ``.env`` > ``bridge.toml`` > default. The two files are looked for in
the working directory; ``--config`` or ``BRIDGE_CONFIG`` names another ``bridge.toml``. The field ``port`` is
the variable ``BRIDGE_PORT`` and the key ``port`` of ``bridge.toml``; three that Twilio's own tools use
keep their names (``TWILIO_ACCOUNT_SID``, ``TWILIO_AUTH_TOKEN``, ``TWILIO_PHONE_NUMBER``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bridge.carrier.sip.tables import (
    Domain,
    Phone,
    PortRange,
    Route,
    Trunk,
    named_twice,
    read_tables,
)

API_KEY_CHARACTERS: Final = 16
"""The least length of an API key."""


@dataclass(frozen=True, slots=True)
class SinkChoice:
    """
    One ``[[sinks]]`` table, one name of ``BRIDGE_SINKS`` or one ``--sink``.

    Attributes:
        use: A registered name, ``package.module:function`` or ``file.py:function``.
        options: The sink's own options, as yet unchecked: only the sink knows them.

    """

    use: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _split(value: object) -> object:
    """Lists may be written with commas, which is all an environment variable can do."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _choose_sink(value: object) -> object:
    if isinstance(value, str):
        return SinkChoice(value)
    if isinstance(value, dict) and isinstance(value.get("use"), str):
        return SinkChoice(value["use"], {key: option for key, option in value.items() if key != "use"})
    if isinstance(value, SinkChoice):
        return value
    raise ValueError('a [[sinks]] table needs use = "…"')


def _empty_is_unset(value: object) -> object:
    """``NAME=`` takes back what a weaker source has set."""
    return None if value == "" else value


def _check_url(value: object) -> object:
    """Check an absolute http(s) URL and drop its trailing slash."""
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("this is not an absolute http:// or https:// URL")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("the URL must hold no user, query or fragment")
    return value.rstrip("/")


def _check_key(value: object) -> object:
    if isinstance(value, str) and len(value) < API_KEY_CHARACTERS:
        raise ValueError(f"a key has {API_KEY_CHARACTERS} characters or more")
    return value


def _check_network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"{error}; a network is written like 10.0.0.0/8") from None


Unset = BeforeValidator(_empty_is_unset)
# Pydantic runs the last validator first.
Url = Annotated[str | None, BeforeValidator(_check_url), Unset]
Key = Annotated[SecretStr | None, BeforeValidator(_check_key), Unset]
Networks = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_check_network)], ...],
    NoDecode,
    BeforeValidator(_split),
]
Phones = Annotated[tuple[Phone, ...], NoDecode, BeforeValidator(read_tables)]
Trunks = Annotated[tuple[Trunk, ...], NoDecode, BeforeValidator(read_tables)]
WebhookRoutes = Annotated[tuple[Route, ...], NoDecode, BeforeValidator(read_tables)]
Sinks = Annotated[
    tuple[Annotated[SinkChoice, BeforeValidator(_choose_sink)], ...], NoDecode, BeforeValidator(_split)
]


class Settings(BaseSettings):
    """The settings of one process; frozen, so that nothing changes half-way."""

    model_config = SettingsConfigDict(
        env_prefix="BRIDGE_", extra="forbid", frozen=True, use_attribute_docstrings=True, env_file=".env"
    )

    # Where the server listens, and how the world reaches it
    host: str = Field("127.0.0.1", min_length=1, examples=["127.0.0.1"])
    """Address the server listens on. Anything but loopback needs BRIDGE_API_KEY."""
    port: int = Field(5050, ge=0, le=65_535, examples=["5050"])
    """TCP port of the server; 0 takes any free one."""
    public_url: Url = Field(None, examples=["https://example.ngrok.app"])
    """The address Twilio reaches the server at. Without it, it is derived from the forwarding headers of
    trusted proxies, else from the request itself."""
    trusted_proxies: Networks = Field((), examples=["127.0.0.1,10.0.0.0/8"])
    """Networks whose X-Forwarded-* headers are believed, separated by commas."""

    # Who may talk
    api_key: Key = Field(None, examples=["a-long-random-text"])
    """Bearer key (16 characters or more) for the routes of your own programs. Without it only true loopback
    requests are served."""
    start_timeout_s: float = Field(60.0, gt=0, le=3600, examples=["60"])
    """Seconds an unsigned media socket may stay without a valid `start`; no limit on loopback while no Twilio
    credentials are configured."""
    unsigned_sockets_max: int = Field(64, ge=0, le=10_000, examples=["64"])
    """How many unsigned media sockets may be open at once."""
    stream_token_ttl_s: int = Field(3600, ge=900, le=86_400, examples=["3600"])
    """Seconds a one-shot stream token is good for: longer than queue, ringing (600 s) and greeting."""

    # Twilio
    twilio_account_sid: Annotated[str | None, Unset] = Field(
        None, alias="twilio_account_sid", pattern=r"^AC[0-9a-fA-F]{32}$", examples=[f"AC{32 * 'x'}"]
    )
    """Account SID, from Twilio's console. Set together with TWILIO_AUTH_TOKEN."""
    twilio_auth_token: Annotated[SecretStr | None, Unset] = Field(
        None, alias="twilio_auth_token", examples=["the token beside the account SID"]
    )
    """Auth token of that account: it signs Twilio's requests and authenticates ours."""
    twilio_phone_number: Annotated[str | None, Unset] = Field(
        None, alias="twilio_phone_number", pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+15017122661"]
    )
    """Number of yours that calls are placed from by default."""
    twilio_api_base: Url = Field(None, examples=["http://127.0.0.1:5070"])
    """Where Twilio's REST API is, if not at Twilio: a local carrier."""
    local_credentials: bool = Field(default=False, examples=["false"])
    """Set by `bridge up`: the credentials are made up for its own carrier, so loopback stays as open as
    without any."""

    # The call
    sinks: Sinks = Field((), examples=["wav,echo"])
    """Who is given each call: names separated by commas, or [[sinks]] tables with options in bridge.toml.
    `bridge up` starts with wav,echo where nothing is set."""
    greeting: Annotated[str | None, Unset] = Field(None, max_length=3000, examples=["One moment please."])
    """Sentence Twilio speaks to an incoming call before it is connected."""
    recordings_dir: Path = Field(Path("recordings"), examples=["recordings"])
    """Folder of the recordings; made when the first is written."""
    playout_lead_ms: int = Field(200, ge=20, le=5000, examples=["200"])
    """Milliseconds of audio sent to the phone ahead of real time."""
    preroll_ms: int = Field(3000, ge=0, le=60_000, examples=["3000"])
    """Milliseconds of past audio kept per track for listeners that ask for it."""
    sink_grace_s: float = Field(10.0, ge=0, le=300, examples=["10"])
    """Seconds a sink has to finish after its call has ended."""
    calls_kept: int = Field(10_000, ge=1, le=1_000_000, examples=["10000"])
    """How many call records are kept in memory; the oldest ended go first."""

    # The local carrier
    carrier_host: str = Field("127.0.0.1", min_length=1, examples=["127.0.0.1"])
    """Address the local carrier listens on."""
    carrier_port: int = Field(5070, ge=0, le=65_535, examples=["5070"])
    """TCP port of the local carrier."""

    # Its SIP phones and trunks
    sip: bool = Field(default=True, examples=["true"])
    """Whether the local carrier takes SIP phones and trunks; needs the extra `bridge[sip]`."""
    sip_host: Annotated[str | None, Unset] = Field(None, min_length=1, examples=["192.168.1.10"])
    """Address SIP and its audio listen on; BRIDGE_CARRIER_HOST if it is not set."""
    sip_port: int = Field(5060, ge=0, le=65_535, examples=["5060"])
    """UDP and TCP port of SIP; 0 takes any free one."""
    sip_tls_port: int = Field(5061, ge=0, le=65_535, examples=["5061"])
    """TCP port of SIP over TLS, open once there is a certificate; 0 takes any free one."""
    sip_tls_certificate: Annotated[Path | None, Unset] = Field(None, examples=["sip.pem"])
    """PEM file with the certificate of SIP over TLS, the intermediate ones after it."""
    sip_tls_key: Annotated[Path | None, Unset] = Field(None, examples=["sip.key"])
    """PEM file with its private key; the certificate's file if it is not set."""
    sip_tls_ca: Annotated[Path | None, Unset] = Field(None, examples=["office-ca.pem"])
    """PEM file with authorities that others' TLS certificates may come from, besides the system's."""
    sip_domain: Domain = Field("localhost", examples=["localhost"])
    """SIP domain of the phones, and the realm of their passwords: changing it makes every `ha1` worthless."""
    sip_allow: Networks = Field((), examples=["192.168.1.0/24"])
    """Networks from which anybody may call without a login, separated by commas; none means this machine
    alone. Trunks call from their own addresses, registered phones from anywhere."""
    sip_media_ports: PortRange = Field("30000-30999", examples=["30000-30999"])
    """UDP ports of the calls' audio; every call uses an even one and the next."""
    phones: Phones = Field((), examples=['[{"user": "anna", "password": "a long random text"}]'])
    """SIP phones that may register: [[phones]] tables in bridge.toml, or a JSON list of them."""
    trunks: Trunks = Field((), examples=['[{"name": "office", "host": "pbx.example.com"}]'])
    """PBXs and providers, for calls to and from numbers: [[trunks]] tables in bridge.toml, or a JSON list."""
    routes: WebhookRoutes = Field(
        (), examples=['[{"pattern": "*", "url": "http://127.0.0.1:5050/incoming-call"}]']
    )
    """Webhooks that answer incoming SIP calls; the first [[routes]] table that matches counts. `bridge up`
    sends all to its own server where nothing is set; `bridge carrier` refuses them (404)."""

    # Observing
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", examples=["info"])
    """The least level that is logged."""
    log_format: Literal["text", "json"] = Field("text", examples=["json"])
    """Form of the log lines: text for people, json for programs."""

    @property
    def media_ports(self) -> tuple[int, int]:
        """First and last UDP port of the calls' audio."""
        first, _, last = self.sip_media_ports.partition("-")
        return int(first), int(last)

    def secrets(self) -> list[str]:
        """Give what no log may show, but for passwords so short that every log line would hold them."""
        own = [value.get_secret_value() for value in (self.api_key, self.twilio_auth_token) if value]
        others = [secret for phone in self.phones for secret in (phone.password, phone.ha1)]
        others += [trunk.password for trunk in self.trunks]
        return own + [text for value in others if value and len(text := value.get_secret_value()) >= 6]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (the signature is Pydantic's)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values come from the caller alone; ``load`` is where sources are put in order."""
        return (init_settings,)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.twilio_account_sid is None) != (self.twilio_auth_token is None):
            raise ValueError(
                "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN belong together: set both, or neither for local use"
            )
        if self.sip_tls_key is not None and self.sip_tls_certificate is None:
            raise ValueError("BRIDGE_SIP_TLS_KEY belongs to a BRIDGE_SIP_TLS_CERTIFICATE: set it too")
        if twice := named_twice(self.phones, self.trunks):
            raise ValueError(twice)
        if self.api_key is None and not is_loopback(self.host):
            raise ValueError(
                f"BRIDGE_HOST={self.host} opens the server to other machines without a BRIDGE_API_KEY: "
                f"set one of {API_KEY_CHARACTERS} characters or more, or listen on 127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether this address to listen on can be reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def variable(name: str) -> str:
    """Name the environment variable of a field."""
    return name.upper() if Settings.model_fields[name].alias else f"BRIDGE_{name.upper()}"
