"""One campaign, many formats: a module each, with `render(campaign) -> str`."""

import importlib
from collections.abc import Callable
from typing import Any

from assay.campaign import Campaign
from assay.errors import UsageError

FORMATS: dict[str, str] = {
    "html": "assay.reports.html",
    "json": "assay.reports.json_",
    "junit": "assay.reports.junit",
    "md": "assay.reports.markdown",
}
"""Name of a format -> its module, which is imported when the format is asked for."""


def render(campaign: Campaign, name: str) -> str:
    """A campaign as text in one of `FORMATS`, judged now from its records; UsageError for another name.

    The same folder and the same version of assay give the same text.
    """
    if name not in FORMATS:
        raise UsageError(f"no report format {name!r}: there are {', '.join(FORMATS)}")
    module: Any = importlib.import_module(FORMATS[name])
    write: Callable[[Campaign], str] = module.render
    return write(campaign)
