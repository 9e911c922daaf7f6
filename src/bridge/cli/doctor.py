"""``bridge doctor``: what is set, what is there, what is wrong, and how to mend it."""

from __future__ import annotations

import typer

from bridge.cli import option


def doctor(config: option.Config = None) -> None:
    """
    Say what is set, what is wrong, and how to mend it.

    Shows each setting with its source, and checks ports, packages, sinks, credentials and folders. Exit code
    1 if something keeps the server from working.
    """
    from bridge.cli.diagnosis import diagnose
    from bridge.cli.text import columns
    from bridge.cli.version import version_text
    from bridge.configuration import load
    from bridge.masking import mask_number
    from bridge.settings import Settings, variable

    configuration = load(config=config)
    print(version_text())
    rows = [("SETTING", "VALUE", "FROM")]
    for name in Settings.model_fields:
        value = getattr(configuration.settings, name)
        shown = _shown(value)
        if name == "twilio_phone_number":
            shown = mask_number(shown)
        rows.append((variable(name), shown, configuration.origins[name]))
    print(f"\n{columns(rows)}\n")
    findings = diagnose(configuration)
    for finding in findings:
        print(f"{finding.mark:<5} {finding.text}")
        if finding.mend:
            print(f"      → {finding.mend}")
    wrong = sum(finding.mark == "WRONG" for finding in findings)
    print(f"\n{wrong} wrong." if wrong else "\nNothing wrong.")
    raise typer.Exit(1 if wrong else 0)


def _shown(value: object) -> str:
    """Write a value down for people; Pydantic's secrets print as stars."""
    if value is None or value == ():
        return "–"
    if isinstance(value, tuple):
        return ", ".join(_named(item) for item in value)
    return str(value)


def _named(item: object) -> str:
    """Give what a table of ``bridge.toml`` is known by; the rest of it would fill the line."""
    names = (getattr(item, name, None) for name in ("use", "user", "name", "pattern"))
    return next((name for name in names if isinstance(name, str)), str(item))
