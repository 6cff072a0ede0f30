"""A pytest run behind `assay run`: its own progress lines, no terminal report."""

import os
import sys
from pathlib import Path

import click
import pytest

from assay.terminal import coloured, plain


class Progress:
    """One line a variant as it ends, and the running one where somebody looks."""

    def __init__(self, total: int) -> None:
        self.total, self.number = total, 0
        self.live = sys.stdout.isatty()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say what runs now."""
        self.number += 1
        self.name = nodeid.rpartition("::")[2]
        if self.live:
            click.echo(f"[{self.number}/{self.total}] {self.name} ...", nl=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say how it ended."""
        if (report.when == "setup" and report.passed) or report.when == "teardown":
            return
        facts = dict(report.user_properties)
        name = f"{facts.get('scas_case')}/{facts.get('scas_variant')}"
        outcome, reason = facts.get("scas_verdict"), facts.get("scas_reason", report.longreprtext)
        start = "\r\x1b[K" if self.live else ""
        shown = coloured(str(outcome or "ERROR"), 15)
        click.echo(f"{start}[{self.number:>2}/{self.total}] {name:<42} {shown}{plain(str(reason))[:400]}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, or the session gave up with a reason."""
        message = getattr(excinfo.value, "msg", "") or "stopped by Ctrl-C"
        click.echo(f"\n{plain(message)}", err=True)

    def pytest_internalerror(self, excrepr: object) -> None:
        """A defect of the harness is shown whole."""
        click.echo(str(excrepr), err=True)


def run_pytest(
    nodes: list[str],
    profile: Path,
    out: Path,
    faults: tuple[str, ...],
    resume: bool,
    overlap: int | None,
    allowed: tuple[str, ...] = (),
) -> int:
    """Run these node ids; 0 when the run came to its end, else pytest's exit code."""
    import testsuites

    arguments = [
        "-c",
        os.devnull,
        f"--rootdir={Path(testsuites.__path__[0]).parent}",
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-p",
        "assay.plugin",
        f"--profile={profile}",
        f"--campaign={out}",
        *(f"--fault={fault}" for fault in faults),
        *(["--resume"] if resume else []),
        *([f"--overlap={overlap}"] if overlap else []),
        *(f"--allow={one}" for one in allowed),
        *nodes,
    ]
    code = int(pytest.main(arguments, plugins=[Progress(len(nodes))]))
    return 0 if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else code
