import io

import numpy as np
import pytest

from bridge.cli.meter import Meter, bar, line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("level_dbfs", "full"), [(-96, 0), (-60, 0), (-30, 10), (-3, 19), (0, 20)])
def test_a_bar_is_full_at_full_scale_and_empty_at_60_db_below(level_dbfs: float, full: int) -> None:
    assert bar(level_dbfs) == "█" * full + "·" * (20 - full)


def test_a_line_names_its_channels() -> None:
    text = line(61_500, [("phone", -30.2), ("heard", -96)], 40)
    assert text.startswith("01:01  phone ██████████··········  -30 dBFS  heard ····")
    assert text.endswith(" -96 dBFS  lost 40 ms")


def test_in_a_terminal_each_line_replaces_the_one_before() -> None:
    terminal = Terminal()
    meter = Meter(terminal, track="both", rate_hz=8000)
    loud = np.full((800, 2), (32767, 0), "<i2").tobytes()
    meter.take(loud, 0)
    meter.take(loud, 1000)
    meter.close()
    first, second, last = terminal.getvalue().removeprefix("\r").replace("\n", "\r", 1).split("\r")
    assert first.startswith("00:00  phone ████████████████████    0 dBFS  heard ····")
    assert second.startswith("00:01  ")
    assert "lost 1000 ms" in second
    assert last == "Heard 1.2 s, lost 1000 ms.\n"


def test_elsewhere_only_the_sum_is_said() -> None:
    file = io.StringIO()
    meter = Meter(file, track="inbound", rate_hz=16_000)
    meter.take(bytes(3200), 0)
    meter.close()
    assert file.getvalue() == "Heard 0.1 s, lost 0 ms.\n"
