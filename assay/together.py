"""Work that runs side by side, each piece in a lane of its own."""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Lane = TypeVar("Lane")
Result = TypeVar("Result")


class Together(Generic[Key, Lane, Result]):
    """Pieces of work, taken by whichever lane is free; with `turns`, few pieces of a kind at a time.

    Args:
        lanes: what a piece of work has for itself while it runs.
        work: the pieces, in the order in which they are begun.
        run: does a piece in a lane; what it raises is raised again by `result`.
        turns: the kind of a piece of which few may run at a time.
        room: how many, by kind; one where it is not said.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        work: Iterable[Key],
        run: Callable[[Key, Lane], Result],
        turns: Mapping[Key, str],
        room: Mapping[str, int],
    ) -> None:
        self._work, self._run, self._turns, self._room = list(work), run, turns, room
        self._all = frozenset(self._work)
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()
        self._done: dict[Key, Result | BaseException] = {}
        self._left = len(self._work)
        self._threads = [
            threading.Thread(target=self._serve, args=(lane,), name=f"lane-{number}", daemon=True)
            for number, lane in enumerate(lanes)
        ]
        for thread in self._threads:
            thread.start()

    def __contains__(self, key: Key) -> bool:
        return key in self._all

    def _next(self) -> Key | None:
        with self._changed:
            while self._work:
                for key in self._work:
                    kind = self._turns.get(key, "")
                    if not kind or self._taken[kind] < self._room.get(kind, 1):
                        self._work.remove(key)
                        self._taken[kind] += 1
                        return key
                self._changed.wait()
        return None

    def _serve(self, lane: Lane) -> None:
        while (key := self._next()) is not None:
            result: Result | BaseException
            try:
                result = self._run(key, lane)
            except BaseException as error:  # it belongs to whoever asks for the result
                result = error
            with self._changed:
                self._done[key] = result
                self._taken[self._turns.get(key, "")] -= 1
                self._left -= 1
                self._changed.notify_all()

    def result(self, key: Key) -> Result:
        """What became of a piece, when it is done."""
        with self._changed:
            self._changed.wait_for(lambda: key in self._done)
        result = self._done[key]
        if isinstance(result, BaseException):
            raise result
        return result

    def results(self) -> list[Result]:
        """What became of all pieces, when the last is done; those that raised are left out."""
        with self._changed:
            self._changed.wait_for(lambda: not self._left)
        return [one for one in self._done.values() if not isinstance(one, BaseException)]

    def stop(self, *, within: float) -> None:
        """Begin nothing more, and give what runs some seconds to end."""
        with self._changed:
            self._left -= len(self._work)
            self._work.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(within)
