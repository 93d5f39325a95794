"""One writer for the filings of many requests on SQLite: what waits while a commit runs goes into the next one.

SQLite has one writer anyway, and its commit is the dearest part of a filing; queues are fair where its own waiting is
not (measured, ADR 0004). Must not answer anybody before the commit. A row that a constraint refuses never takes others
with it: its batch is done again one by one.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway.domain.errors import Busy, OutcomeUnknown
from gateway.store.database import Database, Tx

_MOST = 64  # filings in one transaction
_LINE = 512  # waiting at most; beyond it the house is overloaded and says so
_IDLE = 5.0  # seconds without a job after which the thread ends
_PATIENCE = 30.0  # seconds until a waiter is told that the outcome is unknown: it may still be committed

Job = TypeVar("Job")
Done = TypeVar("Done")


class _Waiting(Generic[Job, Done]):
    __slots__ = ("done", "error", "job", "ready")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done: Done | None = None
        self.error: BaseException | None = None
        self.ready = threading.Lock()
        self.ready.acquire()


class Group(Generic[Job, Done]):
    """Runs ``act(tx, job)`` for many threads in shared transactions; its thread begins with the first job."""

    def __init__(self, database: Database, act: Callable[[Tx, Job], Done]) -> None:
        self._database = database
        self._act = act
        self._line: queue.Queue[_Waiting[Job, Done]] = queue.Queue(_LINE)
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def do(self, job: Job) -> Done:
        """What ``act`` returned, once it is committed.

        Raises what ``act`` raised, ``Busy`` when the line is full or the database away, ``OutcomeUnknown``.
        """
        waiting: _Waiting[Job, Done] = _Waiting(job)
        try:
            self._line.put_nowait(waiting)
        except queue.Full:
            raise Busy("too many filings are waiting") from None
        with self._turn:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="filing", daemon=True)
                self._thread.start()
        if not waiting.ready.acquire(timeout=_PATIENCE):
            raise OutcomeUnknown("the writer did not answer in time")
        if waiting.error is not None:
            raise waiting.error
        assert waiting.done is not None
        return waiting.done

    def _run(self) -> None:
        while True:
            try:
                batch = [self._line.get(timeout=_IDLE)]
            except queue.Empty:
                with self._turn:  # whoever puts a job looks for the thread after this, and finds none
                    if self._line.empty():
                        self._thread = None
                        return
                continue
            while len(batch) < _MOST and not self._line.empty():
                batch.append(self._line.get_nowait())
            self._write(batch)
            for waiting in batch:
                waiting.ready.release()

    def _write(self, batch: Sequence[_Waiting[Job, Done]]) -> None:
        try:
            self._together(batch)
        except BaseException as error:  # a waiter must hear something whatever happened here
            if len(batch) == 1 or not isinstance(error, sqlite3.IntegrityError):
                for waiting in batch:
                    waiting.error = error
                return
            for waiting in batch:
                self._write([waiting])

    def _together(self, batch: Sequence[_Waiting[Job, Done]]) -> None:
        with self._database.write() as tx:
            for waiting in batch:
                waiting.done = self._act(tx, waiting.job)
            tx.commit()
