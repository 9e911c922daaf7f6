from __future__ import annotations

from bridge.cli.text import columns


def test_columns_line_up_and_end_without_blanks() -> None:
    assert columns([("A", "LONG", "C"), ("aaaa", "b", "")]) == "A     LONG  C\naaaa  b"
