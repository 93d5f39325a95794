"""The benchmark's own arithmetic and its two small servers: numbers nobody checks are worth nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from rich.console import Console
from sqlalchemy import text

from mocks.banks.icbc_sim import IcbcBranch
from tools.bench import floor_app, intake, letters, load, machine, processor, report
from tools.bench.__main__ import arguments, plan_of
from tools.bench.department import Department
from tools.bench.dispatch import Latency, Throughput, arrivals, once_each
from tools.bench.figures import FLOOR, GATEWAY, LOCKED_FLOOR, Round, middle, percentile, ratio, ratios_by_round

OUTLET = "ICBC-FT-03"
SECRET = b"a-secret-of-this-test"


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A branch system with a key of its own, and the key's public half, PEM."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("bank") / "icbc.key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return IcbcBranch("http://127.0.0.1", "90000000000000000301", path, None), public


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def one(side, cpu_us, **more):
    return Round(side=side, answered=100, errors=0, rate=50.0, p50_ms=1.0, p99_ms=2.0, cpu_us=cpu_us, **more)


# --- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)], ids=["p50", "p99", "worst", "best"]
)
def test_a_percentile_is_a_value_that_was_measured(share, expected):
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_a_percentile_of_nothing_is_zero():
    assert percentile([], 0.99) == 0.0


def test_medians_take_one_side_only_and_ratios_go_round_by_round():
    rounds = [one(GATEWAY, 150.0), one(FLOOR, 100.0), one(FLOOR, 120.0), one(GATEWAY, 240.0)]
    assert middle(rounds, GATEWAY).cpu_us == 195.0
    assert (middle(rounds, FLOOR).cpu_low, middle(rounds, FLOOR).cpu_high) == (100.0, 120.0)
    assert middle(rounds, FLOOR).answered == 200
    assert ratios_by_round(rounds) == [1.5, 2.0]
    assert ratio(rounds) == pytest.approx(195 / 110)
    with pytest.raises(ValueError, match=LOCKED_FLOOR):
        middle(rounds, LOCKED_FLOOR)


def test_the_databases_own_cpu_is_left_out_where_it_could_not_be_read():
    assert middle([one(GATEWAY, 1.0)], GATEWAY).backend_us is None
    assert middle([one(GATEWAY, 1.0, backend_us=30.0), one(GATEWAY, 1.0, backend_us=50.0)], GATEWAY).backend_us == 40.0


def test_a_stat_line_is_read_behind_the_last_bracket():
    line = f"77 (a (b) c) S 12 77 77 0 -1 4194304 9 0 0 0 {processor.TICKS} {processor.TICKS} 0 {processor.TICKS} 20 0"
    assert processor.parse_stat(line) == (12, 3.0)


def test_the_cpu_of_a_process_tree_holds_that_of_its_children():
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\ninput()"
    before = processor.tree_seconds(os.getpid())
    child = subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "done\n"
    alone = processor.tree_seconds(child.pid)
    with_child = processor.tree_seconds(os.getpid()) - before
    child.communicate("\n")
    assert alone >= 0.15
    assert with_child >= alone - 0.05  # clock ticks, and a difference of floats
    with pytest.raises(ProcessLookupError):
        processor.tree_seconds(child.pid)


def test_cpu_between_two_readings_counts_newcomers_from_their_birth():
    assert processor.spent({1: 1.0, 2: 5.0}, {1: 1.5, 3: 0.25}) == 0.75
    assert os.getpid() in processor.each_seconds([os.getpid(), 2**22 + 1])


def test_the_file_system_is_that_of_the_deepest_mount():
    assert machine.file_system(machine.Path("/proc/self")) == "proc"


def test_options_choose_the_length_and_quick_leaves_dispatch_out():
    assert plan_of(arguments([])).rounds == 5
    assert plan_of(arguments([])).steps("sqlite") == 19
    quick = plan_of(arguments(["--quick", "--rounds", "7"]))
    assert (quick.rounds, quick.paced, quick.steps("postgresql")) == (7, 0, 16)


# --- the floor -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_writer", [False, True])
def test_the_floor_verifies_keeps_and_signs_what_a_bank_sent(database_url, bank, one_writer):
    branch, public = bank
    floor_app.make_table(database_url)
    engine = floor_app.engine_for(database_url, threads=2)
    app = floor_app.create_app(engine, bank_key=public, answer_bytes=1500, one_writer=one_writer)
    body = next(letters.bodies(branch, OUTLET, first=1, count=1))
    answer = app.test_client().post(floor_app.PATH, data=body, content_type="application/x-www-form-urlencoded")
    framed = json.loads(answer.data)
    assert framed["response_biz_content"]["result"] == "ok"
    assert len(base64.b64decode(framed["sign"])) == 256
    assert len(answer.data) - len('{"response_biz_content":,"sign":""}') - 344 == 1500
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT ref, body FROM floor")).all()
    engine.dispose()
    assert [(row[0][8:], bytes(row[1])) for row in kept] == [("ICBCSIM00000001", body)]


def test_the_floor_keeps_nothing_of_a_request_with_another_signature(database_url, bank):
    branch, public = bank
    floor_app.make_table(database_url)
    engine = floor_app.engine_for(database_url, threads=2)
    app = floor_app.create_app(engine, bank_key=public, answer_bytes=100, one_writer=False)
    app.testing = True
    altered = next(letters.bodies(branch, OUTLET, first=2, count=1)).replace(b"grant", b"grand", 1)
    with pytest.raises(InvalidSignature):
        app.test_client().post(floor_app.PATH, data=altered)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM floor")).scalar_one() == 0
    engine.dispose()


def test_the_floors_commits_are_durable_on_sqlite(tmp_path):
    engine = floor_app.engine_for(f"sqlite:///{tmp_path / 'floor.db'}", threads=2)
    with engine.connect() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert modes == ["wal", 2]


# --- requests and load -----------------------------------------------------------------------------------------------


def test_requests_are_each_of_another_person_and_survive_their_file(tmp_path, bank):
    heard = []
    made = list(letters.bodies(bank[0], OUTLET, first=5, count=3))
    assert letters.write(tmp_path / "bodies", iter(made * 40), say=heard.append) == 120
    assert letters.read(tmp_path / "bodies") == made * 40
    assert heard == [100]
    assert len({body.split(b"msg_id=")[1][:40] for body in made}) == 3
    assert all(b"\n" not in body for body in made)


class _Bank(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((body, self.client_address))
        said = b'{"result":"refused"}' if body == b"bad" else b'{"result":"ok"}'
        self.send_response(500 if body == b"worse" else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_told):
        pass


@pytest.fixture
def answering():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bank)
    server.seen = []
    with serving(server) as port:
        yield server, port


def test_a_volley_sends_everything_once_over_kept_connections_and_counts_what_was_not_ok(answering):
    server, port = answering
    bodies = [b"%d" % number for number in range(40)] + [b"bad", b"worse"]
    volley = load.fire(port, bodies, seconds=30.0, connections=4)
    assert (volley.answered, volley.errors, len(volley.milliseconds)) == (40, 2, 40)
    assert sorted(body for body, _ in server.seen) == sorted(bodies)
    assert len({address for _, address in server.seen}) <= 4


def test_a_paced_volley_keeps_its_pace_and_a_long_one_ends_with_its_time(answering):
    _, port = answering
    paced = load.fire(port, [b"1"] * 5, seconds=30.0, connections=2, pause=0.05)
    assert paced.answered == 5
    assert paced.seconds >= 0.2
    short = load.fire(port, [b"1"] * 100_000, seconds=0.2, connections=1)
    assert 0 < short.answered < 100_000


def test_where_nobody_listens_every_request_is_an_error(answering):
    _, port = answering
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Bank)) as gone:
        pass
    assert gone != port
    assert load.fire(gone, [b"1", b"2"], seconds=5.0, connections=1).errors == 2


def test_the_generator_works_in_a_process_of_its_own(tmp_path, answering):
    _, port = answering
    (tmp_path / "bodies").write_bytes(b"1\n2\nbad\n")
    with load.Loader(tmp_path / "bodies") as loader:
        assert loader.fire(port, 0, 2, seconds=5.0, connections=1).answered == 2
        again = loader.fire(port, 2, 1, seconds=5.0, connections=1)
    assert (again.errors, again.sample) == (1, '{"result":"refused"}')
    with pytest.raises(RuntimeError):
        load.Loader(tmp_path / "bodies").fire(port, 0, 1)


def test_a_side_that_did_not_say_ok_is_not_measured(answering):
    _, port = answering
    side = intake.Side("floor b", port, os.getpid(), "sqlite://", "floor")
    bad = load.Volley(answered=3, errors=1, seconds=1.0, milliseconds=(1.0,) * 3, sample="no")
    with pytest.raises(intake.NotMeasured, match="1 of 4 failed: no"):
        intake._good(side, bad)
    assert intake.backend_pids("sqlite://") == []


def test_every_side_gets_the_same_requests_and_another_one_begins_each_round(tmp_path):
    class Counting:
        def __init__(self):
            self.calls = []

        def fire(self, port, first, count, **_how):
            self.calls.append((port, first, count))
            return load.Volley(10, 0, 0.5, (1.0,) * 10, "ok")

    url = f"sqlite:///{tmp_path / 'floor.db'}"
    floor_app.make_table(url)
    engine = floor_app.engine_for(url, threads=1)
    with engine.begin() as connection:
        rows = [{"id": str(n), "at": n, "ref": "r", "body": b""} for n in range(30)]
        connection.execute(floor_app.TABLE.insert(), rows)
    engine.dispose()
    sides = [intake.Side(name, port, os.getpid(), url, "floor") for name, port in ((GATEWAY, 1), (FLOOR, 2))]
    loader = Counting()
    found = intake.measure(sides, loader, rounds=2, seconds=0.1)
    assert [port for port, _, _ in loader.calls] == [1, 2, 1, 2, 2, 1]
    assert {call[1:] for call in loader.calls[2:4]} == {(intake.WARM, 70)}
    assert [one.rate for one in found] == [20.0] * 4
    with pytest.raises(intake.NotMeasured, match="said ok 40 times and keeps 30 rows"):
        intake.measure(sides, loader, rounds=3, seconds=0.1)


# --- the lean department ---------------------------------------------------------------------------------------------


def ask(line, method, target, body=b""):
    line.request(method, target, body=body, headers={"X-Sbx-Nonce": "nonce-1"})
    answer = line.getresponse()
    raw = answer.read()
    signed = f"{answer.status}\nnonce-1\n{answer.headers['X-Sbx-Time']}\n{hashlib.sha256(raw).hexdigest()}"
    assert answer.headers["X-Sbx-Sign"] == hmac.digest(SECRET, signed.encode(), "sha256").hex()
    return answer.status, json.loads(raw)


def test_the_lean_department_grants_at_once_signs_and_remembers_when_it_heard():
    with serving(Department(0, SECRET)) as port:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        assert ask(line, "GET", "/sbx/v1/applications?callId=c1")[0] == 404
        filing = json.dumps({"callId": "c1", "receiptNo": "FT1"}).encode()
        before = time.time()
        status, answer = ask(line, "POST", "/sbx/v1/applications", filing)
        assert (status, answer["code"], answer["data"]["status"]) == (200, "0", "GRANTED")
        assert [event["seq"] for event in answer["data"]["events"]] == [1, 2]
        assert ask(line, "GET", "/sbx/v1/applications?callId=c1")[1]["data"] == answer["data"]
        came = arrivals(port)
        assert before <= came["FT1"][0] <= time.time()
        ask(line, "POST", "/sbx/v1/applications", filing)
        with pytest.raises(intake.NotMeasured, match="FT1"):
            once_each(arrivals(port))
        line.close()


# --- what is shown ---------------------------------------------------------------------------------------------------


def measured(name="SQLite", cpu_us=300.0):
    throughput = Throughput(cases=80, seconds=1.0, rate=80.0, cpu_us=4000.0)
    latency = Latency(cases=40, rate=25.0, p50_ms=8.0, p99_ms=20.0, worst_ms=21.0)
    rounds = (one(GATEWAY, cpu_us), one(FLOOR, 200.0), one(LOCKED_FLOOR, 180.0))
    return report.Measured(name, rounds, report.Dispatched(throughput, latency, "embedded"), {"fsync": "on"})


def test_a_bar_is_full_at_the_most_and_grows_by_eighths():
    assert report.bar(8, 8, width=4) == "████"
    assert report.bar(1, 32, width=4) == "▏"
    assert report.bar(9, 8, width=2) == "██"
    assert report.bar(0, 0) == ""


@pytest.mark.parametrize(("cpu_us", "mark"), [(319.0, "✓"), (321.0, "✗")])
def test_the_tables_fit_eighty_columns_and_the_verdict_follows_the_target(cpu_us, mark):
    sink = io.StringIO()
    report.show(Console(file=sink, width=80), [measured(cpu_us=cpu_us), measured("PostgreSQL", cpu_us)])
    shown = sink.getvalue()
    assert "…" not in shown
    assert shown.count(mark) == 2
    assert "embedded, 25/s" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_without_dispatch_only_intake_is_shown():
    sink = io.StringIO()
    report.show(Console(file=sink, width=80), [report.Measured("SQLite", measured().rounds)])
    assert "One worker" not in sink.getvalue()


def test_the_file_for_machines_holds_every_round_and_the_machine(tmp_path):
    path = tmp_path / "var" / "bench.json"
    report.write(path, [measured()], machine.facts(tmp_path), {"rounds": 1})
    content = json.loads(path.read_text("utf-8"))
    (database,) = content["databases"]
    assert database["ratio"] == 1.5
    assert [each["side"] for each in database["rounds"]] == [GATEWAY, FLOOR, LOCKED_FLOOR]
    assert database["dispatch"]["latency"]["p99_ms"] == 20.0
    assert content["machine"]["packages"]["sqlalchemy"]
    assert content["machine"]["cores"] >= 1
