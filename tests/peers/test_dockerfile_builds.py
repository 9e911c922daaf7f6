"""No container engine is needed: the linter reads the file, and its RUN lines are carried out in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.dockerfile import build

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.peers


def test_the_linter_finds_nothing() -> None:
    lint = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout) == (0, "")


@pytest.mark.timeout(600)
def test_every_run_line_works_and_what_it_makes_runs(tmp_path: Path) -> None:
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    # An environment's python finds its packages by where it lies, so its own folder comes first.
    path = os.pathsep.join([str(Path(sys.executable).parent), str(folder), os.environ["PATH"]])
    image = build(ROOT / "Dockerfile", tmp_path / "image", path=path)
    assert (image / "data" / "recordings").is_dir()
    command = image / "opt" / "bridge" / "bin" / "bridge"
    assert command.exists()
    assert not (command.parent / "pip").exists()
    # The scripts name the stage they were made in; the environment itself may lie anywhere.
    python = image / "opt" / "bridge" / "bin" / "python"
    clean = {"PATH": "", "HOME": str(tmp_path), "BRIDGE_HOST": "0.0.0.0"}
    shutil.rmtree(tmp_path / "image" / "0")
    ran = subprocess.run(
        [python, "-m", "bridge", "serve"],
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        cwd=image / "data",
    )
    assert ran.returncode == 2
    assert "BRIDGE_API_KEY" in ran.stderr
