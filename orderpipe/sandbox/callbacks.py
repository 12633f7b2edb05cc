"""What receivers report by themselves: a postman that brings messages to the address they were given.

The world's clock says when a report is due; posting it is real time, in a thread of its own, so that a listener that
hangs never holds up the world. One that does not answer as the sender expects is tried again a few times, and then the
message stays undelivered, as in life.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

PAUSES = (0.1, 0.3, 1.0, 3.0, 10.0)  # real seconds between attempts


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. name: for the counts. taken: whether an answer's text means that it was received."""

    name: str
    url: str
    body: bytes
    headers: dict[str, str]
    taken: Callable[[str], bool]


class Postman:
    """Delivers letters in the order they were given; each waits for the one before it."""

    def __init__(self) -> None:
        self._letters: queue.Queue[Letter] = queue.Queue()
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._undelivered: list[str] = []
        self._thread: threading.Thread | None = None

    def give(self, letter: Letter) -> None:
        """Take a letter to deliver."""
        with self._lock:
            self._counts.setdefault(letter.name, Counter())["pending"] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._walk, daemon=True, name="postman")
                self._thread.start()
        self._letters.put(letter)

    def describe(self) -> dict[str, Any]:
        """Letters by name: pending, delivered, undelivered; and what the listener said of those it did not take."""
        with self._lock:
            return {
                "counts": {name: dict(+counts) for name, counts in self._counts.items()},
                "pending": sum(counts["pending"] for counts in self._counts.values()),
                "undelivered": list(self._undelivered),
            }

    def _walk(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as http:
            while True:
                letter = self._letters.get()
                problem = self._deliver(http, letter)
                with self._lock:
                    counts = self._counts[letter.name]
                    counts["pending"] -= 1
                    counts["undelivered" if problem else "delivered"] += 1
                    if problem:
                        self._undelivered.append(f"{letter.name}: {problem}")

    @staticmethod
    def _deliver(http: httpx.Client, letter: Letter) -> str:
        """Empty when it was taken."""
        problem = ""
        for pause in (*PAUSES, None):
            try:
                answer = http.post(letter.url, content=letter.body, headers=letter.headers)
                problem = "" if letter.taken(answer.text) else f"HTTP {answer.status_code}: {answer.text[:200]}"
            except httpx.HTTPError as error:
                problem = type(error).__name__
            if not problem:
                return ""
            if pause is not None:
                time.sleep(pause)
        return problem
