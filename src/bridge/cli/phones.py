"""``bridge phones``: who is registered with the local carrier, and what a password is stored as."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli import option

phones = typer.Typer(invoke_without_command=True)


@phones.callback()
def registered(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the carrier's own answer.")] = False,
    config: option.Config = None,
    carrier_port: option.CarrierPort = None,
) -> None:
    """
    List the SIP phones and trunks of the local carrier.

    Who is registered, from where and for how long; which trunks are up, and why if not.
    """
    if context.invoked_subcommand is not None:
        return
    answer = _ask(config=config, carrier_port=carrier_port)
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    print(_phones_table(answer["phones"]))
    if answer["trunks"]:
        print(f"\n{_trunks_table(answer['trunks'])}")


@phones.command("hash")
def hash_password(
    user: Annotated[str, typer.Argument(help="The phone's user name.", metavar="USER")],
    realm: Annotated[
        str | None,
        typer.Option("--realm", help="The carrier's SIP domain.  [BRIDGE_SIP_DOMAIN, localhost]"),
    ] = None,
    config: option.Config = None,
) -> None:
    """
    Make the ha1 of a phone's password, and the table that holds it.

    Asks for the password, or reads it as the first line of standard input: on the command line every user
    of this machine could see it. The hash is good for this user and this domain alone, and as secret as the
    password.
    """
    from bridge.carrier.sip.tables import Phone
    from bridge.configuration import load
    from bridge.errors import ConfigurationError
    from bridge.sip.digest import ha1

    domain = realm or load(config=config).settings.sip_domain
    password = _read_password()
    if not password:
        raise ConfigurationError("the password is empty: write it on the first line of standard input")
    try:
        Phone.model_validate({"user": user, "password": password})
    except ValueError:
        raise ConfigurationError(f"{user[:64]!r} is no user name of a phone. Example: anna") from None
    print(f"[[phones]]\nuser = {json.dumps(user)}\nha1 = {json.dumps(ha1(user, domain, password))}")


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _ask(*, config: Path | None, carrier_port: int | None) -> Any:
    from bridge.cli.client import ServerClient, local_url
    from bridge.cli.neighbour import who_answers
    from bridge.configuration import load
    from bridge.errors import CarrierRefused

    settings = load(config=config, carrier_port=carrier_port).settings
    url = local_url(settings.carrier_host, settings.carrier_port)
    try:
        return ServerClient(url, role="carrier").ask("GET", "/phones")
    except CarrierRefused as error:
        if who_answers(url) == "server":
            raise
        if error.status == 404:
            raise CarrierRefused(f"the carrier at {url} speaks no SIP", status=404) from None
        if error.status == 401:
            told = f"the carrier at {url} tells this to its own machine only"
            raise CarrierRefused(told, status=401) from None
        raise


def _phones_table(phones: list[dict[str, Any]]) -> str:
    from bridge.cli.text import columns

    if not phones:
        return "No phone is registered."
    rows = [("PHONE", "CONTACT", "TRANSPORT", "USER AGENT", "EXPIRES IN")]
    rows += [
        (
            str(phone["user"]),
            str(phone["contact"]),
            str(phone["transport"]),
            str(phone["user_agent"]) or "–",
            f"{phone['expires_in_s']} s",
        )
        for phone in phones
    ]
    return columns(rows)


def _trunks_table(trunks: list[dict[str, Any]]) -> str:
    from bridge.cli.text import columns

    rows = [("TRUNK", "STATE", "REASON")]
    rows += [(str(trunk["name"]), str(trunk["state"]), str(trunk["reason"]) or "–") for trunk in trunks]
    return columns(rows)
