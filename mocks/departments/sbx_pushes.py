"""The department's clerk: says what is due and pushes it to the enrolled address until it is taken.

Must not decide what is said (``sbx_scenarios``) nor keep anything in memory that the books do not hold.
"""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from mocks.departments.sbx_ledger import Ledger, Push
from mocks.departments.sbx_signing import Signer, beijing_text, utc_now

PUSH_APP = "sbx-push"
PUSH_TIMEOUT = 10.0
AT_ONCE = 8


def pause_after(tries: int) -> float:
    """Seconds to the next try after ``tries`` tries: 1, 2, 4, 8 … 60."""
    return float(min(60, 2 ** min(tries - 1, 10)))


class Clerk:
    """One thread that watches the clock, and a few that push."""

    def __init__(self, ledger: Ledger, signer: Signer, *, callback_url: str) -> None:
        self.callback_url = callback_url
        self._ledger = ledger
        self._signer = signer
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
            self._ledger.run_steps()
            if self.callback_url:
                for push in self._ledger.due_pushes(busy, AT_ONCE - len(busy)):
                    with self._wake:
                        self._on_the_way.add(push.id)
                    self._pool.submit(self._push, push)
            due = self._ledger.next_due()
            pause = 60.0 if due is None else max(0.0, min(60.0, due - utc_now().timestamp()))
            with self._wake:
                if not (self._again or self._stopped):
                    self._wake.wait(pause)

    def _push(self, push: Push) -> None:
        taken = False
        try:
            taken = self._deliver(push.body)
        except (OSError, http.client.HTTPException, ValueError):
            taken = False  # whatever went wrong: the document says again
        finally:
            again_in = 0.0 if taken else pause_after(push.tries + 1)
            self._ledger.push_tried(push, taken=taken, again_in=again_in)
            with self._wake:
                self._on_the_way.discard(push.id)
            self.look()

    def _deliver(self, body: bytes) -> bool:
        address = urlsplit(self.callback_url)
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        time, nonce = beijing_text(utc_now()), secrets.token_hex(12)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Sbx-App": PUSH_APP,
            "X-Sbx-Time": time,
            "X-Sbx-Nonce": nonce,
            "X-Sbx-Sign": self._signer.sign_request("POST", target, time=time, nonce=nonce, body=body),
        }
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        line = kind(address.hostname or "", address.port, timeout=PUSH_TIMEOUT)
        try:
            line.request("POST", target, body=body, headers=headers)
            answer = line.getresponse()
            said = json.loads(answer.read(65536))
            return answer.status == 200 and isinstance(said, dict) and said.get("code") == "0"
        finally:
            line.close()
