"""One campaign, many formats: a module each, with `render(campaign, context) -> str`."""

import importlib
from collections.abc import Callable
from typing import Any

from assay.campaign import Campaign
from assay.errors import UsageError
from assay.reports.common import NOTHING, Context, seals

__all__ = ["FORMATS", "Context", "encoded", "render", "seals"]

FORMATS: dict[str, str] = {
    "html": "assay.reports.html",
    "json": "assay.reports.json_",
    "junit": "assay.reports.junit",
    "md": "assay.reports.markdown",
    "csv": "assay.reports.csv_",
    "cyclonedx": "assay.reports.cyclonedx",
    "oscal": "assay.reports.oscal.results",
    "oscal-catalog": "assay.reports.oscal.catalogue",
    "oscal-plan": "assay.reports.oscal.plan",
    "sarif": "assay.reports.sarif",
    "pdf": "assay.reports.pdf",
}
"""Name of a format -> its module, which is imported when the format is asked for."""


def render(campaign: Campaign, name: str, context: Context = NOTHING) -> str | bytes:
    """A campaign in one of `FORMATS`, judged now from its records; UsageError for another name.

    The same folder and the same version of assay give the same text or bytes.
    """
    if name not in FORMATS:
        raise UsageError(f"no report format {name!r}: there are {', '.join(FORMATS)}")
    module: Any = importlib.import_module(FORMATS[name])
    write: Callable[[Campaign, Context], str | bytes] = module.render
    return write(campaign, context)


def encoded(campaign: Campaign, name: str, context: Context = NOTHING) -> bytes:
    """`render`, as the bytes of a file."""
    whole = render(campaign, name, context)
    return whole.encode("utf-8") if isinstance(whole, str) else whole
