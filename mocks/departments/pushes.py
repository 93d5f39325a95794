"""The clerk of a department simulator: says what is due and pushes it to the enrolled address until it is taken.

Must not decide what is said, nor keep anything in memory that the books do not hold. Headers, what counts as taken
and the pauses between tries are the department's.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from urllib.parse import urlsplit

from mocks.departments.books import Books, Push

PUSH_TIMEOUT = 10.0
AT_ONCE = 8


class PushDialect(Protocol):
    """What the clerk needs of a department."""

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        """The signed headers of one push to ``target`` (path with query)."""
        ...

    def taken(self, sent: Mapping[str, str], status: int, *, headers: Mapping[str, str], body: bytes) -> bool:
        """True when the answer says that the push was taken. ``sent``: our headers; ``headers``: lower-case names."""
        ...

    def pause_after(self, tries: int) -> float | None:
        """Seconds to the next try after ``tries`` tries, or none to give up."""
        ...


class Clerk:
    """One thread that watches the clock, and a few that push."""

    def __init__(self, books: Books, dialect: PushDialect, *, callback_url: str) -> None:
        self.callback_url = callback_url
        self._books = books
        self._dialect = dialect
        self._wake = threading.Condition()
        self._again = False
        self._stopped = False
        self._on_the_way: set[int] = set()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="push")
        self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)

    def start(self) -> None:
        """Work from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; pushes on the way end first, at most by their time-out."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look(self) -> None:
        """Something new stands in the books."""
        with self._wake:
            self._again = True
            self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                if self._stopped:
                    return
                self._again = False
                busy = set(self._on_the_way)
            looked = self._books.clock().timestamp()  # what falls due while we work is due at once, not forgotten
            self._books.run_steps()
            if self.callback_url:
                for push in self._books.due_pushes(busy, AT_ONCE - len(busy)):
                    with self._wake:
                        self._on_the_way.add(push.id)
                    self._pool.submit(self._push, push)
            due = self._books.next_due(looked)
            pause = 60.0 if due is None else max(0.0, min(60.0, due - self._books.clock().timestamp()))
            with self._wake:
                if not (self._again or self._stopped):
                    self._wake.wait(pause)

    def _push(self, push: Push) -> None:
        taken = False
        try:
            taken = self._deliver(push.body)
        except (OSError, http.client.HTTPException, ValueError):
            taken = False  # whatever went wrong: the documents say again
        finally:
            again_in = 0.0 if taken else self._dialect.pause_after(push.tries + 1)
            self._books.push_tried(push, taken=taken, again_in=again_in)
            with self._wake:
                self._on_the_way.discard(push.id)
            self.look()

    def _deliver(self, body: bytes) -> bool:
        address = urlsplit(self.callback_url)
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        headers = self._dialect.headers(target, body)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        line = kind(address.hostname or "", address.port, timeout=PUSH_TIMEOUT)
        try:
            line.request("POST", target, body=body, headers=headers)
            answer = line.getresponse()
            found = {name.lower(): value for name, value in answer.headers.items()}
            return self._dialect.taken(headers, answer.status, headers=found, body=answer.read(65536))
        finally:
            line.close()
