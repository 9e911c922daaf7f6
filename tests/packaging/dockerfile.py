"""Reads a Dockerfile, and carries out its COPY and RUN lines in a folder instead of an image."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continuation lines joined and its comments gone."""

    name: str
    value: str


def parse(text: str) -> list[Instruction]:
    """Split a Dockerfile into its instructions."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def stages(text: str) -> list[list[Instruction]]:
    """Group the instructions by stage, each beginning with its FROM."""
    found: list[list[Instruction]] = []
    for instruction in parse(text):
        if instruction.name == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def exec_form(value: str) -> list[str]:
    """Read the JSON form of CMD and HEALTHCHECK CMD."""
    words: list[str] = json.loads(value[value.index("[") :])
    return words


def build(dockerfile: Path, root: Path, *, path: str) -> Path:
    """
    Carry out COPY, WORKDIR, ENV and RUN below ``root``, one folder per stage, absolute paths moved below it.

    Returns:
        The last stage's folder.

    Raises:
        subprocess.CalledProcessError: A RUN line failed.

    """
    folders: dict[str, Path] = {}
    folder = root
    for number, stage in enumerate(stages(dockerfile.read_text(encoding="utf-8"))):
        words = stage[0].value.split()
        folder = root / str(number)
        folder.mkdir(parents=True)
        folders[words[-1] if len(words) == 3 else str(number)] = folder
        work = folder
        environment = {"PATH": path, "HOME": str(root), **_indexes()}
        for instruction in stage[1:]:
            if instruction.name == "WORKDIR":
                work = folder / instruction.value.strip("/")
                work.mkdir(parents=True, exist_ok=True)
            elif instruction.name == "ENV":
                for pair in shlex.split(instruction.value):
                    name, _, value = pair.partition("=")
                    environment[name] = _moved(value, folder).replace("$PATH", environment["PATH"])
            elif instruction.name == "COPY":
                _copy(instruction.value, dockerfile.parent, folders, work, folder)
            elif instruction.name == "RUN":
                command = _moved(instruction.value, folder)
                subprocess.run(["/bin/sh", "-ec", command], cwd=work, env=environment, check=True)
    return folder


def _indexes() -> dict[str, str]:
    """Keep how this machine reaches its package index; an image would have its own."""
    return {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "XDG_"))
    }


def _moved(text: str, folder: Path) -> str:
    return re.sub(r"(?<![\w.$-])/(?=opt|data|src)", f"{folder}/", text)


def _copy(value: str, context: Path, folders: dict[str, Path], work: Path, folder: Path) -> None:
    words = shlex.split(value)
    source_root = context
    if words[0].startswith("--from="):
        source_root = folders[words.pop(0).removeprefix("--from=")]
    *sources, target = words
    into = folder / target.strip("/") if target.startswith("/") else work / target
    for name in sources:
        source = source_root / name.strip("/")
        if source.is_dir():
            shutil.copytree(source, into, dirs_exist_ok=True, symlinks=True)
        else:
            into.mkdir(parents=True, exist_ok=True) if target.endswith("/") else None
            shutil.copy2(source, into)
