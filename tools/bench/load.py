"""A small closed-loop load generator: so many kept connections, each with one request under way, in its own process.

Must not sign or judge: it sends ready bodies and counts answers that do not say ok. One JSON order a line on standard
input, one JSON result a line on standard output.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench import letters

PATH = "/api/gov/case/submit/V1"
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "APIGW-VERSION": "v2_20190522"}
_OK = b'"result":"ok"'


@dataclass(frozen=True, slots=True)
class Volley:
    """What one volley brought. ``seconds``: first request to last answer; ``milliseconds``: of every good answer."""

    answered: int
    errors: int
    seconds: float
    milliseconds: tuple[float, ...]
    sample: str


def fire(
    port: int, bodies: list[bytes], *, seconds: float, connections: int, pause: float = 0.0, path: str = PATH
) -> Volley:
    """Send ``bodies`` until they or the seconds are used up. ``pause``: seconds from one start to the next, over all.

    With a pause the starts are fixed beforehand: a slow answer does not make the next one come later.
    """
    turn = itertools.count()
    begun = time.perf_counter()
    end = begun + seconds
    times: list[list[float]] = [[] for _ in range(connections)]
    errors = [0] * connections
    samples: list[bytes] = []

    def one(place: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (number := next(turn)) < len(bodies) and time.perf_counter() < end:
            if pause and (wait := begun + number * pause - time.perf_counter()) > 0:
                time.sleep(wait)
            sent = time.perf_counter()
            try:
                line.request("POST", path, body=bodies[number], headers=_HEADERS)
                answer = line.getresponse()
                raw = answer.read()
                good = answer.status == 200 and _OK in raw
            except (OSError, http.client.HTTPException) as error:
                raw, good = repr(error).encode(), False
                line.close()
            if good:
                times[place].append((time.perf_counter() - sent) * 1000)
            else:
                errors[place] += 1
            if not samples or (not good and len(samples) < 2):
                samples.append(raw)
        line.close()

    threads = [threading.Thread(target=one, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [ms for each in times for ms in each]
    return Volley(
        answered=len(done),
        errors=sum(errors),
        seconds=time.perf_counter() - begun,
        milliseconds=tuple(done),
        sample=samples[-1].decode("utf-8", "replace") if samples else "",
    )


class Loader:
    """The generator's process, from the outside. Use as a context manager."""

    def __init__(self, bodies: Path) -> None:
        self._bodies = bodies
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Loader:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.load", str(self._bodies)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()  # the end of its input is its end

    def fire(self, port: int, first: int, count: int, **how: Any) -> Volley:
        """Send bodies number ``first`` … ``first + count - 1``; ``how`` as ``fire`` takes it."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the load generator does not run")
        process.stdin.write(json.dumps({"port": port, "first": first, "count": count, "how": how}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        found = json.loads(line)
        return Volley(**{**found, "milliseconds": tuple(found["milliseconds"])})


def main() -> None:
    """Answer orders until the input ends."""
    parser = argparse.ArgumentParser(description="closed-loop load generator")
    parser.add_argument("bodies", type=Path, help="one body a line")
    bodies = letters.read(parser.parse_args().bodies)
    gc.disable()
    for line in sys.stdin:
        order = json.loads(line)
        chosen = bodies[order["first"] : order["first"] + order["count"]]
        volley = fire(order["port"], chosen, **order["how"])
        gc.collect()
        shown = {
            "answered": volley.answered,
            "errors": volley.errors,
            "seconds": volley.seconds,
            "milliseconds": [round(ms, 3) for ms in volley.milliseconds],
            "sample": volley.sample,
        }
        print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    main()
