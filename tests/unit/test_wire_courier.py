"""The courier against a loopback server that misbehaves on purpose, byte by byte."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.domain.clock import SystemClock
from gateway.domain.errors import BadSettings, DeliveryUnknown, NotDelivered
from gateway.wire.courier import Courier, PeerAddress
from gateway.wire.exchange import Exchange
from gateway.wire.messages import OutboundRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Two: a\r\nX-Two: b\r\n\r\nok"
POST = OutboundRequest("POST", "/v1/file?a=%E4", {"Content-Type": "text/plain"}, b"hello", "submit")
Handler = Callable[[socket.socket], None]


class Notes:
    def __init__(self) -> None:
        self.kept: list[Exchange] = []

    def record(self, exchange: Exchange) -> None:
        self.kept.append(exchange)


class TurnedClock(SystemClock):
    """A monotonic clock that tests move; it can jump after so many looks, like a process frozen in between."""

    def __init__(self, *, jump_at_look: int = 0, jump: float = 0.0) -> None:
        self.looks, self.jump_at_look, self.jump = 0, jump_at_look, jump

    def monotonic(self) -> float:
        self.looks += 1
        return 1000.0 + (self.jump if self.jump_at_look and self.looks >= self.jump_at_look else 0.0)


class Server:
    """Accepts on loopback and gives every connection to ``handler`` in a thread of its own."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()
        self.over = threading.Event()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            self.handler(sock)

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(2)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(handler: Handler) -> Iterator[Server]:
    server = Server(handler)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def courier_to(url: str, *, clock: SystemClock | None = None, **limits: object) -> Iterator[tuple[Courier, Notes]]:
    notes = Notes()
    address = PeerAddress(url, **{"deadline": 1.0, **limits})
    courier = Courier({"p": address}, notes, clock or SystemClock())
    try:
        yield courier, notes
    finally:
        courier.close()


def read_request(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(answer: bytes) -> Handler:
    def handle(sock: socket.socket) -> None:
        while read_request(sock):
            sock.sendall(answer)

    return handle


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def dripping(sock: socket.socket, data: bytes) -> None:
    for byte in data:
        sock.sendall(bytes([byte]))
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_answer_comes_back_whole_and_the_exchange_is_recorded_as_it_travelled() -> None:
    with serving(answering(OK)) as server, courier_to(server.url + "/base/") as (courier, notes):
        line = courier.line("p", case_id="c1", call_id="k1")
        answer = line.send(POST)
        assert (answer.status, answer.body) == (200, b"ok")
        assert answer.headers["x-two"] == "a, b"
        (kept,) = notes.kept
        assert kept.request_head.startswith(b"POST /base/v1/file?a=%E4 HTTP/1.1\r\nHost: 127.0.0.1:")
        assert (kept.request, kept.response, kept.status) == (b"hello", b"ok", 200)
        assert kept.response_head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (kept.outcome, kept.cause, kept.direction, kept.purpose) == ("answered", "", "out", "submit")
        assert (kept.peer, kept.case_id, kept.call_id) == ("p", "c1", "k1")
        assert kept.exchange_id == line.exchange_id
        assert line.wrote is True
        assert line.sent_at is not None
        assert line.sent_at.tzinfo is datetime.UTC


def test_a_refused_port_is_not_delivered_and_carries_the_exchange_id() -> None:
    with courier_to(f"http://127.0.0.1:{free_port()}") as (courier, notes):
        line = courier.line("p")
        with pytest.raises(NotDelivered) as caught:
            line.send(POST)
        assert caught.value.exchange_id == notes.kept[0].exchange_id
        assert caught.value.peer == "p"
        assert notes.kept[0].outcome == "not_delivered"
        assert line.wrote is False
        assert line.sent_at is None


def test_a_refused_connection_is_tried_again_inside_the_same_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = socket.create_connection, []

    def refused_once(address: tuple[str, int], timeout: float) -> socket.socket:
        tries.append(address)
        if len(tries) == 1:
            raise ConnectionRefusedError
        return real(address, timeout=timeout)

    monkeypatch.setattr(socket, "create_connection", refused_once)
    with serving(answering(OK)) as server, courier_to(server.url, connect_tries=2) as (courier, notes):
        assert courier.line("p").send(POST).status == 200
    assert len(tries) == 2
    assert len(notes.kept) == 1


def test_the_next_checked_address_is_tried_when_one_refuses() -> None:
    with serving(answering(OK)) as server:
        address = PeerAddress(f"http://dept.test:{server.port}", networks=("127.0.0.0/8",), connect_tries=1)
        courier = Courier({"p": address}, Notes(), SystemClock(), resolver=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert courier.line("p").send(POST).status == 200
        courier.close()


def test_a_reset_before_the_request_was_read_is_unknown() -> None:
    def handle(sock: socket.socket) -> None:
        reset(sock)

    with serving(handle) as server, courier_to(server.url) as (courier, _):
        line = courier.line("p")
        with pytest.raises((DeliveryUnknown, NotDelivered)) as caught:
            line.send(POST)
        # Either the first byte was refused by our own system (proof) or it may have left: never the wrong way round.
        assert isinstance(caught.value, DeliveryUnknown) is line.wrote


def test_a_line_cut_after_reading_is_unknown() -> None:
    with (
        serving(lambda sock: (read_request(sock), None)[1]) as server,
        courier_to(server.url) as (courier, notes),
    ):
        line = courier.line("p")
        with pytest.raises(DeliveryUnknown) as caught:
            line.send(POST)
        assert caught.value.exchange_id == notes.kept[0].exchange_id
        assert notes.kept[0].outcome == "delivery_unknown"
        assert line.wrote is True


def test_a_body_cut_in_the_middle_is_unknown_and_what_came_is_kept() -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    with serving(handle) as server, courier_to(server.url) as (courier, notes):
        with pytest.raises(DeliveryUnknown):
            courier.line("p").send(POST)
        assert (notes.kept[0].status, notes.kept[0].response) == (200, b"half")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"<html>not http at all</html>\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000,
        b"\r\n\r\n\r\n",
    ],
    ids=["cut chunk", "not http", "interim", "endless header", "blank lines"],
)
def test_an_answer_that_is_no_whole_http_answer_is_unknown(answer: bytes) -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)

    with serving(handle) as server, courier_to(server.url) as (courier, _), pytest.raises(DeliveryUnknown):
        courier.line("p").send(POST)


def test_a_slow_answer_is_cut_at_the_total_deadline() -> None:
    over = threading.Event()

    def handle(sock: socket.socket) -> None:
        read_request(sock)
        over.wait(2)

    with serving(handle) as server, courier_to(server.url, deadline=0.3) as (courier, _):
        begun = time.monotonic()
        with pytest.raises(DeliveryUnknown):
            courier.line("p").send(POST)
        assert 0.25 < time.monotonic() - begun < 0.8
        over.set()


@pytest.mark.parametrize("sent_first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"], ids=["head", "body"])
def test_a_dripping_peer_is_cut_at_the_total_deadline(sent_first: bytes) -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(sent_first)
        dripping(sock, b"HTTP/1.1 200 OK\r\nContent-Length: 99")

    with serving(handle) as server, courier_to(server.url, deadline=0.4) as (courier, notes):
        begun = time.monotonic()
        with pytest.raises(DeliveryUnknown):
            courier.line("p").send(POST)
        assert time.monotonic() - begun < 0.8
        assert notes.kept[0].cause


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n",
    ],
    ids=["announced", "until close", "chunked"],
)
def test_an_answer_over_the_limit_is_unknown(answer: bytes) -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)

    with serving(handle) as server, courier_to(server.url, max_bytes=4999) as (courier, notes):
        with pytest.raises(DeliveryUnknown):
            courier.line("p").send(POST)
        assert notes.kept[0].cause == "the answer is too large"


def test_a_chunked_answer_at_the_limit_is_taken_and_the_connection_kept() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with serving(answering(answer)) as server, courier_to(server.url, max_bytes=5) as (courier, _):
        assert [courier.line("p").send(POST).body for _ in range(3)] == [b"abcde"] * 3
        assert server.connections == 1


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with serving(answering(OK)) as elsewhere:
        away = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(answering(away)) as server, courier_to(server.url) as (courier, _):
            answer = courier.line("p").send(POST)
            assert (answer.status, answer.headers["location"]) == (302, elsewhere.url)
            assert elsewhere.connections == 0


def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with serving(answering(OK)) as server, courier_to(server.url) as (courier, _):
        assert courier.line("p").send(POST).status == 200


def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            seen.append(request)
            sock.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")

    with serving(handle) as server, courier_to(server.url) as (courier, _):
        courier.line("p").send(POST)
        courier.line("p").send(POST)
    assert len(seen) == 2
    assert not any(b"cookie" in request.lower() for request in seen)


def test_an_address_outside_the_enrolled_networks_is_not_connected_to() -> None:
    with serving(answering(OK)) as server:
        address = PeerAddress(f"http://dept.test:{server.port}", networks=("10.0.0.0/8",), deadline=1.0)
        courier = Courier({"p": address}, Notes(), SystemClock(), resolver=lambda *_: ["127.0.0.1"])
        with pytest.raises(NotDelivered, match="not in the enrolled networks"):
            courier.line("p").send(POST)
        assert server.connections == 0


def test_an_ipv4_mapped_address_is_judged_and_reached_as_ipv4() -> None:
    with serving(answering(OK)) as server:
        address = PeerAddress(f"http://dept.test:{server.port}", networks=("127.0.0.1/32",), deadline=1.0)
        courier = Courier({"p": address}, Notes(), SystemClock(), resolver=lambda *_: ["::ffff:127.0.0.1"])
        assert courier.line("p").send(POST).status == 200
        courier.close()


def test_a_name_that_does_not_resolve_in_time_is_not_delivered() -> None:
    over = threading.Event()

    def stuck(_host: str, _port: int) -> list[str]:
        over.wait(2)
        return []

    address = PeerAddress("http://dept.test", networks=("127.0.0.0/8",), deadline=0.2)
    courier = Courier({"p": address}, Notes(), SystemClock(), resolver=stuck)
    with pytest.raises(NotDelivered, match="did not resolve"):
        courier.line("p").send(POST)
    over.set()


def test_a_worker_that_wakes_after_its_deadline_does_not_even_connect() -> None:
    with serving(answering(OK)) as server, courier_to(server.url, clock=TurnedClock()) as (courier, notes):
        line = courier.line("p", started=998.0)
        with pytest.raises(NotDelivered, match="deadline"):
            line.send(POST)
        assert (server.connections, line.wrote, notes.kept[0].outcome) == (0, False, "not_delivered")


@pytest.mark.parametrize("look", range(2, 8))
def test_a_worker_frozen_anywhere_before_sending_sends_nothing(look: int) -> None:
    seen: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            seen.append(request)
            sock.sendall(OK)

    clock = TurnedClock(jump_at_look=look, jump=60.0)
    with serving(handle) as server, courier_to(server.url, clock=clock) as (courier, _):
        line = courier.line("p", started=1000.0)
        try:
            line.send(POST)
        except NotDelivered:
            assert line.wrote is False
        except DeliveryUnknown:
            assert line.wrote is True
    assert line.wrote or not seen


def test_a_worker_frozen_right_before_sending_sends_nothing_on_a_kept_connection() -> None:
    seen: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        while request := read_request(sock):
            seen.append(request)
            sock.sendall(OK)

    clock = TurnedClock()
    with serving(handle) as server, courier_to(server.url, clock=clock) as (courier, _):
        courier.line("p").send(POST)
        line = courier.line("p", started=1000.0)
        clock.looks, clock.jump_at_look, clock.jump = 0, 3, 1.5  # deadline, pool age, then the look before sending
        with pytest.raises(NotDelivered):
            line.send(POST)
    assert len(seen) == 1


def test_connections_are_kept_alive() -> None:
    with serving(answering(OK)) as server, courier_to(server.url) as (courier, _):
        for _ in range(5):
            courier.line("p").send(POST)
        assert server.connections == 1


def test_a_kept_connection_that_died_is_replaced_before_anything_is_written() -> None:
    closed = threading.Semaphore(0)

    def once(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(OK)
        sock.close()
        closed.release()

    with serving(once) as server, courier_to(server.url) as (courier, _):
        for _ in range(3):
            assert courier.line("p").send(POST).status == 200
            assert closed.acquire(timeout=1)
        assert server.connections == 3


def test_a_kept_connection_that_dies_after_the_request_left_is_unknown() -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(OK)
        read_request(sock)

    with serving(handle) as server, courier_to(server.url) as (courier, _):
        assert courier.line("p").send(POST).status == 200
        line = courier.line("p")
        with pytest.raises(DeliveryUnknown):
            line.send(POST)
        assert line.wrote is True
        assert server.connections == 1


def test_bytes_nobody_asked_for_never_become_the_next_answer() -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    answers = iter([OK + forged, OK])

    def handle(sock: socket.socket) -> None:
        while read_request(sock):
            sock.sendall(next(answers))

    with serving(handle) as server, courier_to(server.url) as (courier, _):
        assert courier.line("p").send(POST).body == b"ok"
        assert courier.line("p").send(POST).body == b"ok"
        assert server.connections == 2


def test_eight_threads_never_mix_their_answers() -> None:
    def echo(sock: socket.socket) -> None:
        while request := read_request(sock):
            body = request.partition(b"\r\n\r\n")[2]
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    wrong: list[bytes] = []

    def work(number: int, courier: Courier) -> None:
        for turn in range(25):
            body = b"%d-%d" % (number, turn)
            answer = courier.line("p").send(OutboundRequest("POST", "/", {}, body))
            if answer.body != body:
                wrong.append(body)

    with serving(echo) as server, courier_to(server.url) as (courier, notes):
        threads = [threading.Thread(target=work, args=(n, courier)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len({kept.exchange_id for kept in notes.kept}) == 200
        assert server.connections <= 8


def test_a_recorder_that_fails_is_counted_and_the_call_goes_on() -> None:
    class Broken:
        def record(self, exchange: Exchange) -> None:
            raise OSError("disk full")

    with serving(answering(OK)) as server:
        courier = Courier({"p": PeerAddress(server.url)}, Broken(), SystemClock())
        assert courier.line("p").send(POST).status == 200
        assert courier.unrecorded == 1
        courier.close()


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("POST", "http://elsewhere/x", {}),
        ("POST", "//elsewhere/x", {}),
        ("POST", "/a/../b", {}),
        ("POST", "/a b", {}),
        ("POST", "/x", {"A": "b\r\nHost: elsewhere"}),
        ("POST", "/x", {"Host": "elsewhere"}),
        ("POST", "/x", {"Content-Length": "0"}),
        ("POST", "/x", {"A b": "c"}),
        ("POST /x HTTP/1.1\r\n", "/x", {}),
    ],
)
def test_a_request_that_would_leave_its_frame_is_never_sent(method: str, url: str, headers: dict[str, str]) -> None:
    with serving(answering(OK)) as server, courier_to(server.url) as (courier, notes):
        with pytest.raises(ValueError):
            courier.line("p").send(OutboundRequest(method, url, headers))
        assert (server.connections, notes.kept) == (0, [])


def test_a_peer_without_address_is_a_mistake_of_the_settings() -> None:
    with courier_to("http://127.0.0.1:1") as (courier, _), pytest.raises(BadSettings, match="nobody"):
        courier.line("nobody")


# --- TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dept.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("dept.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return str(path)


def over_tls(certificate: str, handler: Handler) -> Handler:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def handle(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as wrapped:
            handler(wrapped)

    return handle


def tls_courier(server: Server, host: str, **limits: object) -> Courier:
    address = PeerAddress(f"https://{host}:{server.port}", **{"networks": ("127.0.0.0/8",), "deadline": 1.0, **limits})
    return Courier({"p": address}, Notes(), SystemClock(), resolver=lambda *_: ["127.0.0.1"])


def test_tls_checks_the_name_although_the_checked_address_is_connected_to(certificate: str) -> None:
    with serving(over_tls(certificate, answering(OK))) as server:
        courier = tls_courier(server, "dept.test", verify=certificate)
        assert [courier.line("p").send(POST).status for _ in range(3)] == [200, 200, 200]
        assert server.connections == 1
        courier.close()


@pytest.mark.parametrize(("host", "trusted"), [("other.test", True), ("dept.test", False)])
def test_a_wrong_certificate_is_not_delivered(certificate: str, host: str, trusted: bool) -> None:
    with serving(over_tls(certificate, answering(OK))) as server:
        courier = tls_courier(server, host, verify=certificate if trusted else True)
        line = courier.line("p")
        with pytest.raises(NotDelivered):
            line.send(POST)
        assert line.wrote is False


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "silent"])
def test_a_tls_handshake_that_fails_is_not_delivered(certificate: str, cut: bool) -> None:
    over = threading.Event()

    def handle(sock: socket.socket) -> None:
        if not cut:
            over.wait(2)

    with serving(handle) as server:
        courier = tls_courier(server, "dept.test", verify=certificate, deadline=0.4)
        with pytest.raises(NotDelivered):
            courier.line("p").send(POST)
        over.set()


def test_an_answer_cut_inside_tls_is_unknown_even_without_a_length(certificate: str) -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        socket.socket.shutdown(sock, socket.SHUT_WR)  # no close_notify

    with serving(over_tls(certificate, handle)) as server:
        courier = tls_courier(server, "dept.test", verify=certificate)
        with pytest.raises(DeliveryUnknown):
            courier.line("p").send(POST)


def test_a_dripping_tls_peer_is_cut_too(certificate: str) -> None:
    def handle(sock: socket.socket) -> None:
        read_request(sock)
        dripping(sock, b"HTTP/1.1 200 OK\r\nContent-Length: 99")

    with serving(over_tls(certificate, handle)) as server:
        courier = tls_courier(server, "dept.test", verify=certificate, deadline=0.4)
        begun = time.monotonic()
        with pytest.raises(DeliveryUnknown):
            courier.line("p").send(POST)
        assert time.monotonic() - begun < 0.8


def test_certificates_that_cannot_be_read_stop_the_start() -> None:
    with pytest.raises(BadSettings, match="certificates"):
        Courier({"p": PeerAddress("https://127.0.0.1", verify="/nowhere.pem")}, Notes(), SystemClock())
