"""``bridge carrier``: the local carrier alone."""

from __future__ import annotations

import secrets

from bridge.cli import option


def carrier(
    carrier_host: option.CarrierHost = None,
    carrier_port: option.CarrierPort = None,
    config: option.Config = None,
    log_level: option.LogLevel = None,
    log_format: option.LogFormat = None,
    stop_with_stdin: option.StopWithStdin = False,
) -> None:
    """
    Run a carrier in Twilio's place, on this machine.

    It has Twilio's Calls API, signed webhooks and media streams: any program that talks to Twilio can be
    pointed at it. Without TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN
    it makes some up and prints them.
    """
    from bridge.carrier.application import create_carrier
    from bridge.carrier.phone.voice import Voice
    from bridge.cli.client import local_url
    from bridge.cli.process import running
    from bridge.cli.sip_port import check_sip_ports, plan_of, sip_port
    from bridge.configuration import load
    from bridge.server.run import serve as run_server

    configuration = load(
        config=config,
        carrier_host=carrier_host,
        carrier_port=carrier_port,
        log_level=log_level,
        log_format=log_format,
    )
    settings = configuration.settings
    check_sip_ports(settings)
    if settings.twilio_account_sid and settings.twilio_auth_token:
        account_sid, auth_token = settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value()
    else:
        account_sid, auth_token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
        api_base = local_url(settings.carrier_host, settings.carrier_port)
        print("Credentials for this run; give them to the server:")
        print(f"  export TWILIO_ACCOUNT_SID={account_sid} TWILIO_AUTH_TOKEN={auth_token} \\")
        print(f"    BRIDGE_TWILIO_API_BASE={api_base} BRIDGE_LOCAL_CREDENTIALS=true", flush=True)
    plan = plan_of(settings)
    numbers = {*plan.numbers, *([settings.twilio_phone_number] if settings.twilio_phone_number else [])}
    with running(configuration, stop_with_stdin=stop_with_stdin):
        application = create_carrier(
            account_sid,
            auth_token,
            recordings_dir=settings.recordings_dir,
            numbers=numbers,
            trunk_sids=plan.trunk_sids,
            voice=Voice.installed(),
            sip=sip_port(settings, plan),
        )
        run_server(application, host=settings.carrier_host, port=settings.carrier_port, drain=_nothing)


async def _nothing() -> None:
    """Nothing to do before connections close: the exchange ends its calls when the application stops."""
