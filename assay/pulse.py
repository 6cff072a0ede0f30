"""How late the bench itself was: a machine that has no time for it must not be put down to the product."""

import threading
import time
from collections import deque

BEAT_S = 0.02
WORTH_S = 0.05


class Pulse:
    """A thread that wants to wake at a steady pace, and remembers where it could not."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=10_000)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            before = time.monotonic()
            if self._end.wait(BEAT_S):
                return
            late = time.monotonic() - before - BEAT_S
            if late > WORTH_S:
                self._late.append((before, late))

    def worst(self, since: float) -> float:
        """The longest delay in seconds after a time of the monotonic clock; 0 where none was worth a word."""
        return max((late for at, late in list(self._late) if at + late >= since), default=0.0)

    def stop(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()
