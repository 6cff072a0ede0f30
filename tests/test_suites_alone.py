"""Whoever judges a record needs the test suites, and the test suites need the standard library alone."""

import subprocess
import sys

from laws import ISOLATED, PROTOCOL_LIBRARIES

LOADED = "from assay import suites; print(sum(len(suites.bindings(key)) for key in sys.argv[1:]))"


def test_suites_load_where_no_protocol_library_is() -> None:
    refuse = ISOLATED.partition("from pathlib")[0].replace("{banned}", repr(PROTOCOL_LIBRARIES))
    words = [sys.executable, "-c", refuse + LOADED, "ts_33_117", "ts_33_512"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 130
