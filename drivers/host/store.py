"""Facts of a product, got in one pass and kept for every test case of a campaign, whoever asks first."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from assay.case import from_json, to_json
from drivers.interfaces.replies import Fact, Facts, Ran

Run = Callable[[str], Ran]


class FactStore:
    """What is known of a product's state; one for all lanes, and the same after a campaign was resumed.

    Args:
        collect: gets facts by running commands.
        names: all facts there are.
        load: the octets kept under a file name earlier, or None.
        save: keeps octets under a file name.
        hide: takes secrets out of a JSON value.
    """

    def __init__(
        self,
        collect: Callable[[Run, Iterable[str]], Facts],
        names: Iterable[str],
        load: Callable[[str], bytes | None],
        save: Callable[[str, bytes], None],
        hide: Callable[[Any], Any],
    ) -> None:
        self._collect, self._names = collect, tuple(names)
        self._load, self._save, self._hide = load, save, hide
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Fact, bytes]] = {}
        for name in self._names:
            if (octets := load(file_of(name))) is not None:
                with suppress(ValueError, KeyError, TypeError):  # damaged: it is got anew
                    self._known[name] = from_json(Fact, json.loads(octets)["fact"]), octets

    def get(self, name: str, run: Run) -> tuple[Fact, bytes]:
        """A fact and the evidence for it; the first call gets all of them."""
        with self._lock:
            if name not in self._known:
                for one, found in self.fresh(self._names, run).items():
                    self._known[one] = found
                    self._save(file_of(one), found[1])
            return self._known.get(name, (Fact(name, "", None, "there is no such fact"), b"{}"))

    def fresh(self, names: Iterable[str], run: Run) -> Mapping[str, tuple[Fact, bytes]]:
        """Facts as they are now, which are kept for nobody else."""
        got = self._collect(run, names)
        found = {}
        for name, fact in got.facts.items():
            behind = [one for one in got.evidence if not one.facts or name in one.facts]
            value = self._hide(to_json({"fact": fact, "evidence": behind}))
            octets = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
            found[name] = from_json(Fact, value["fact"]), octets
        return found


def file_of(name: str, number: int = 0) -> str:
    """The file that a fact is kept in; a number where it was got afresh."""
    return f"fact-{name}{f'-{number}' if number else ''}.json"
