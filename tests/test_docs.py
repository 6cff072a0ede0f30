"""What docs/ci.md tells people to type and to write is what the command line and the readers take."""

import re
import shlex
from datetime import date
from pathlib import Path

import click
import pytest
import yaml
from products import ROOT

from assay import baseline, waivers
from assay.cli import main

TEXT = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.S | re.M)
COMMANDS = sorted({c.strip() for c in re.findall(r"(?:^|- |run: |\s{8})(assay [^|\n`]+)", TEXT, re.M)})


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) >= 8
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml"}


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context("docs", words)  # raises for an option or argument that there is not


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_file_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    kind = text.partition("\n")[0]
    if kind == "# baseline":
        assert baseline.load(path).known
    elif kind == "# waivers":
        assert waivers.load(path, date(2026, 1, 1))
    else:
        assert kind == "# job"
        assert "scas" in yaml.safe_load(text)
