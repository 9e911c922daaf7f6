"""kamailio as a registrar and proxy with passwords, without a database."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.peers.program import program
from tests.peers.sip.certificate import Certificate
from tests.peers.sip.ports import Ports, free_ports
from tests.peers.sip.running_program import RunningProgram

REALM: Final = "proxy"
_ASK_EVERY_S: Final = 0.1
_ASK_TIMES: Final = 100

_CONFIG: Final = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
{tls}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "nathelper.so"
loadmodule "auth.so"
loadmodule "xlog.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "default_expires", 120)
modparam("registrar", "max_expires", {policy.max_expires_s})
modparam("registrar", "received_avp", "$avp(came_from)")
modparam("nathelper", "received_avp", "$avp(came_from)")
modparam("auth", "algorithm", "{policy.algorithm}")
modparam("rr", "enable_full_lr", 1)

request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{
            if ($du == $null) handle_ruri_alias();
            t_relay(); exit;
        }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not here"); exit;
    }}
    if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
    $var(password) = "";
{passwords}
    if (is_method("REGISTER")) {{
        if ($var(password) == "" || !pv_www_authenticate("{realm}", "$var(password)", "0")) {{
            xlog("L_INFO", "challenged $fU\\n");
            www_challenge("{realm}", "1"); exit;
        }}
        {registers_by}
        xlog("L_NOTICE", "$fU answered $hdr(Authorization)\\n");
        if (!save("location")) {{ sl_reply_error(); exit; }}
        xlog("L_NOTICE", "registered $fU\\n");
        exit;
    }}
    if (is_method("INVITE")) {{
        # A trunk by address is believed, everybody else is asked for a password.
        if ($sp != {trusted_port}) {{
            if ($var(password) == "" || !pv_proxy_authenticate("{realm}", "$var(password)", "0")) {{
                proxy_challenge("{realm}", "1"); exit;
            }}
            consume_credentials();
        }}
        record_route();
    }}
{routes}
    if (!lookup("location")) {{ sl_send_reply("480", "Temporarily Unavailable"); exit; }}
    t_set_fr(30000, 2000);
    if (!t_relay()) sl_reply_error();
}}

onreply_route {{
    {replies_by}
}}
"""


# A script that fails, as this would without a Contact, costs the response and its connection.
_ALIAS: Final = 'if (is_present_hf("Contact")) set_contact_alias();'

_TLS: Final = """\
enable_tls=yes
listen=tls:127.0.0.1:{port}
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate.chain}")
modparam("tls", "private_key", "{certificate.key}")
modparam("tls", "ca_list", "{certificate.authority}")
modparam("tls", "verify_certificate", 0)
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What one proxy demands and grants.

    Attributes:
        max_expires_s: The longest a registration lasts.
        algorithm: What a password must be hashed with.
        certificate: Opens its TLS port.
        by_connection: Requests go by the connection that whoever they are for has opened, as a proxy does for
            those behind a router; else by their Contact.

    """

    max_expires_s: int = 3600
    algorithm: Literal["MD5", "SHA-256"] = "MD5"
    certificate: Certificate | None = None
    by_connection: bool = False


class Kamailio:
    """One running proxy."""

    def __init__(self, ports: Ports, running: RunningProgram) -> None:
        self.ports: Final = ports
        self._running: Final = running

    @property
    def address(self) -> str:
        """Its ``host:port``, for UDP and TCP."""
        return f"127.0.0.1:{self.ports.sip}"

    @property
    def secure_address(self) -> str:
        """Its ``host:port`` for TLS."""
        return f"127.0.0.1:{self.ports.tls}"

    async def registered(self, user: str, *, within_s: float = 10.0) -> None:
        """Wait until it has taken this user's next registration."""
        await self._running.until(f"registered {user}\n", within_s=within_s)

    async def credentials(self, user: str) -> str:
        """Wait for the next right answer to its challenge; gives the ``Authorization``."""
        await self._running.until(f"{user} answered ")
        return await self._running.until("\n")

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        folder: Path,
        passwords: Mapping[str, str],
        *,
        routes: Mapping[str, str] | None = None,
        trusted_port: int | None = None,
        policy: Policy | None = None,
        ports: Ports | None = None,
    ) -> AsyncIterator[Kamailio]:
        """
        Run it.

        Args:
            folder: For its files.
            passwords: By user; nobody else gets in.
            routes: ``host:port`` by the beginning of the number called: a trunk by address.
            trusted_port: Whoever calls from this port of 127.0.0.1 needs no password.
            policy: What it demands and grants.
            ports: Those of an earlier one that it comes back in place of; it remembers nothing.

        """
        ports = ports or free_ports()
        own = folder / f"kamailio-{ports.sip}"
        own.mkdir(exist_ok=True)
        config = own / "kamailio.cfg"
        config.write_text(_config(ports, passwords, routes or {}, trusted_port, policy or Policy()))
        command = (_program(), "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8")
        async with RunningProgram.started(
            *command, "-n", "1", "-Y", str(own), "-P", str(own / "pid"), cwd=own
        ) as process:
            assert await asyncio.to_thread(_answers, ports.sip), f"it does not answer\n{process.tail}"
            yield cls(ports, process)


def _program() -> str:
    """Give its path: Debian puts it where only root looks."""
    return shutil.which("kamailio", path="/usr/sbin:/usr/local/sbin") or program("kamailio")


def _answers(port: int) -> bool:
    """Whether it answers an OPTIONS soon: it says nothing when it is ready."""
    request = (
        f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKready\r\n"
        f"From: <sip:ready@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1:{port}>\r\nCall-ID: ready\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.settimeout(_ASK_EVERY_S)
        for _ in range(_ASK_TIMES):
            probe.sendto(request.encode(), ("127.0.0.1", port))
            with suppress(TimeoutError):
                return probe.recv(65_536).startswith(b"SIP/2.0 200")
    return False


def _config(
    ports: Ports,
    passwords: Mapping[str, str],
    routes: Mapping[str, str],
    trusted_port: int | None,
    policy: Policy,
) -> str:
    known = [
        f'    if ($au == "{user}") $var(password) = "{password}";' for user, password in passwords.items()
    ]
    ways = [
        f'    if ($rU =~ "^{start.replace("+", "[+]")}") {{ $du = "sip:{to}"; t_relay(); exit; }}'
        for start, to in routes.items()
    ]
    tls = _TLS.format(port=ports.tls, certificate=policy.certificate) if policy.certificate else ""
    return _CONFIG.format(
        port=ports.sip,
        tls=tls,
        policy=policy,
        registers_by="fix_nated_register();" if policy.by_connection else "",
        replies_by=_ALIAS if policy.by_connection else "return;",
        realm=REALM,
        passwords="\n".join(known),
        routes="\n".join(ways),
        trusted_port=trusted_port or 0,
    )
