"""``bridge serve``: the server alone."""

from __future__ import annotations

from bridge.cli import option


def serve(
    host: option.Host = None,
    port: option.Port = None,
    public_url: option.PublicUrl = None,
    sink: option.Sink = None,
    config: option.Config = None,
    log_level: option.LogLevel = None,
    log_format: option.LogFormat = None,
    stop_with_stdin: option.StopWithStdin = False,
) -> None:
    """
    Run the server.

    It calls Twilio for outgoing calls unless BRIDGE_TWILIO_API_BASE leads to a local carrier.
    """
    from bridge.app import create_app
    from bridge.cli.process import running
    from bridge.configuration import load
    from bridge.server.run import serve as run_server

    configuration = load(
        config=config,
        host=host,
        port=port,
        public_url=public_url,
        sinks=sink or None,
        log_level=log_level,
        log_format=log_format,
    )
    settings = configuration.settings
    with running(configuration, stop_with_stdin=stop_with_stdin):
        app = create_app(settings)
        run_server(app, host=settings.host, port=settings.port, drain=app.state.bridge.drain)
