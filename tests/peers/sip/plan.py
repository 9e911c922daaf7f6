"""What a site is configured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.peers.sip.certificate import Certificate
from tests.peers.sip.ports import Ports

SAYS_HZ: Final = 700
"""What every phone hears of us."""
SAYS_DBFS: Final = -16.0


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a site is configured with.

    Attributes:
        phones: User and password of those that may register.
        trunks: Tables of ``[[trunks]]``, ready as TOML.
        patterns: Numbers that are answered.
        allow: ``sip_allow``; empty is loopback.
        certificate: Opens the TLS port, and is whom the carrier trusts.
        listens_tls: Without it the certificate is trusted only, and no TLS port is open.
        webhook: Who answers the patterns; empty is the site's own server.
        sinks: Tables of ``[[sinks]]``; by default a recorder and a tone.

    """

    phones: Sequence[tuple[str, str]] = ()
    trunks: str = ""
    patterns: Sequence[str] = ("*",)
    allow: str = ""
    certificate: Certificate | None = None
    listens_tls: bool = True
    webhook: str = ""
    sinks: str = ""

    def toml(self, ports: Ports, folder: Path) -> str:
        """Write ``bridge.toml``."""
        lines = [
            f'port = {ports.control}\ncarrier_port = {ports.control + 1}\nsip_host = "127.0.0.1"',
            f"sip_port = {ports.sip}\nsip_tls_port = {ports.tls}",
            f'recordings_dir = "{folder}"',
        ]
        if self.allow:
            lines.append(f'sip_allow = ["{self.allow}"]')
        if self.certificate is not None and self.listens_tls:
            lines.append(f'sip_tls_certificate = "{self.certificate.chain}"')
            lines.append(f'sip_tls_key = "{self.certificate.key}"')
        lines += [f'[[phones]]\nuser = "{user}"\npassword = "{password}"' for user, password in self.phones]
        url = self.webhook or f"http://127.0.0.1:{ports.control}/incoming-call"
        lines += [f'[[routes]]\npattern = "{pattern}"\nurl = "{url}"' for pattern in self.patterns]
        sinks = self.sinks or (
            f'[[sinks]]\nuse = "wav"\ndirectory = "{folder}"\n'
            f'[[sinks]]\nuse = "tone"\nfrequencies_hz = [{SAYS_HZ}.0]\nlevel_dbfs = {SAYS_DBFS}\n'
        )
        return "\n".join([*lines, self.trunks, sinks])
