"""``bridge sinks``: who can be given a call."""

from __future__ import annotations


def sinks() -> None:
    """
    List the sinks that are installed.

    With where they come from, their options and, if one cannot be loaded, why.
    """
    from bridge.cli.text import columns
    from bridge.sinks.registry import installed

    rows = [("NAME", "FROM", "OPTIONS", "WHAT IT DOES")]
    for found in installed():
        package = f"{found.package} {found.version}"
        if found.sink is None:
            rows.append((found.name, package, "", f"cannot be loaded: {found.error}"))
            continue
        options = ", ".join(
            name if field.is_required() else f"{name}={field.default}"
            for name, field in found.sink.options.model_fields.items()
        )
        rows.append((found.name, package, options, found.sink.summary))
    print(columns(rows))
    print('\nYour own: --sink file.py:function, or use = "file.py:function" in [[sinks]] of bridge.toml.')
