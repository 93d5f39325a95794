"""All measurements of one database, in order: delay of single cases, intake against the floor, one worker's speed.

Must not print. What is under way is told to a ``Sight``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mocks.banks.samples import bank_ref, sample_submission
from tools.bench import dispatch, intake, machine
from tools.bench.figures import FLOOR, GATEWAY, LOCKED_FLOOR, Round
from tools.bench.house import Database, House, house
from tools.bench.letters import ITEM
from tools.bench.load import Loader
from tools.bench.report import Dispatched, Measured
from tools.postgres import NoPostgres, server
from tools.stack import stack as stacks

_FRAME = len('{"response_biz_content":,"sign":""}') + 344  # an answer less its content: frame and RSA-2048 in base64
_PROBE, _PACED, _ROUNDS = 1, 1_000, 10_000  # first serial numbers


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. ``paced`` cases at ``pace`` a second tell the delay of dispatch; 0 = no dispatch at all."""

    rounds: int
    seconds: float
    dispatch_seconds: float = 8.0
    paced: int = 200
    pace: float = 25.0

    def steps(self, database: str) -> int:
        """How often ``measure`` says that a step is done."""
        return self.rounds * (3 if database == "sqlite" else 2) + (4 if self.paced else 2)


@dataclass(frozen=True, slots=True)
class Sight:
    """Who watches: hears what is being done, and when a step is done."""

    say: Callable[[str], None]
    step: Callable[[], None] = field(default=lambda: None)


def measure(name: str, plan: Plan, folder: Path, sight: Sight) -> Measured:
    """All of one database: ``sqlite`` or ``postgresql``. ``folder`` is made here.

    Raises ``NotUp``, ``NoPostgres``, ``NotMeasured``.
    """
    folder.mkdir(mode=0o700)
    if name == "sqlite":
        return _measure(Database("SQLite", None, f"sqlite:///{folder / 'floor.db'}"), plan, folder, sight, facts={})
    sight.say("PostgreSQL: looking for a server")
    with server(durable=True) as found:
        facts = machine.postgres_facts(found.url) | {"server": found.describe}
        if facts["fsync"] != "on" or facts["synchronous_commit"] == "off":
            raise NoPostgres(f"{found.describe} does not flush to disk; fsync and synchronous_commit must be on")
        with found.database("gwbench") as gateway_url, found.database("gwbench") as floor_url:
            return _measure(Database("PostgreSQL", gateway_url, floor_url), plan, folder, sight, facts=facts)


def _measure(database: Database, plan: Plan, folder: Path, sight: Sight, *, facts: dict[str, str]) -> Measured:
    # Embedded is how SQLite is run, and what its delay is measured on; the doors alone are compared with the floor.
    embedded = database.gateway_url is None and plan.paced > 0
    told = Sight(lambda text: sight.say(f"{database.name}: {text}"), sight.step)
    with house(folder, database, embedded=embedded, dispatch=plan.paced > 0, say=told.say) as own:
        answer_bytes = _probe(own)
        told.step()
        latency = _latency(own, plan, told) if plan.paced else None
        gateway = intake.Side(GATEWAY, own.gateway_port, own.doors_alone(), own.stack.database_url, "cases")
        rounds = tuple(_rounds(own, gateway, database, plan, told, answer_bytes=answer_bytes))
        if latency is None:
            return Measured(database.name, rounds, facts=facts)
        told.say("one worker")
        throughput = dispatch.throughput(
            lambda: own.worker().pid,
            department_port=own.department_port,
            waiting=intake.rows(gateway) - len(dispatch.arrivals(own.department_port)),
            seconds=plan.dispatch_seconds,
        )
        told.step()
    processes = "embedded" if embedded else "web + worker"
    return Measured(database.name, rounds, Dispatched(throughput, latency, processes), facts)


def _probe(own: House) -> int:
    """One submission by the book, its answer verified; returns how long an answer's content is."""
    part = sample_submission(ITEM, stacks.OUTLET, bank_ref=bank_ref("ICBC", _PROBE), serial=_PROBE)
    answer = own.stack.branch().submit(part)
    if not answer.ok:
        raise intake.NotMeasured(f"a plain submission was answered {answer.reason or answer.http_status}")
    return len(answer.raw) - _FRAME


def _latency(own: House, plan: Plan, told: Sight) -> dispatch.Latency:
    told.say("from commit to department")
    bodies = own.letters(first=_PACED, count=plan.paced)
    with Loader(bodies) as loader:
        found = dispatch.latency(
            loader,
            gateway_port=own.gateway_port,
            department_port=own.department_port,
            database_url=own.stack.database_url,
            count=plan.paced,
            rate=plan.pace,
        )
    told.step()
    return found


def _rounds(
    own: House, gateway: intake.Side, database: Database, plan: Plan, told: Sight, *, answer_bytes: int
) -> list[Round]:
    told.say("starting the floor")
    floors = []
    for name, one_writer in ((FLOOR, False), *([(LOCKED_FLOOR, True)] if database.gateway_url is None else [])):
        child, port = own.floor(database.floor_url, answer_bytes=answer_bytes, one_writer=one_writer)
        floors.append((child, intake.Side(name, port, child.pid, database.floor_url, "floor")))
    count = intake.needed(plan.rounds, plan.seconds)
    bodies = own.letters(first=_ROUNDS, count=count, say=lambda done: told.say(f"signing requests, {done} of {count}"))
    told.step()

    def done(one: Round) -> None:
        told.say(f"{one.side}: {one.rate:.0f} requests/s, {one.cpu_us:.0f} µs each")
        told.step()

    with Loader(bodies) as loader:
        found = intake.measure(
            [gateway, *(side for _, side in floors)], loader, rounds=plan.rounds, seconds=plan.seconds, done=done
        )
    for child, _ in floors:
        child.stop(within=15.0)
    return found
