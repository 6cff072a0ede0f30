"""Text for a terminal: in colour where somebody sees it, and harmless whoever wrote it."""

import click

COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "ERROR": "magenta"}


def plain(text: str) -> str:
    """Text from a product made harmless for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def coloured(outcome: str, width: int = 0) -> str:
    """An outcome in its colour; click leaves the colour out where nobody can see it."""
    return click.style(outcome.ljust(width), fg=COLOURS.get(outcome), bold=outcome == "FAIL")
