"""The only socket: sends one request to an enrolled peer within one total deadline and says how it ended.

Must not retry anything after the connection stands, follow a redirect, read a proxy from the environment, keep a
cookie or interpret a body. ``requests`` knows no total deadline (a dripping peer holds a 1 s time limit for as long
as it likes), so this works one layer below, on ``http.client``: every wait on the socket, for the status line and
the headers too, is given only what is left of the deadline, and it is known exactly whether bytes left.

Over 400 lines; the reason: pool, connection and line share one question, whether bytes left, and are read together.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import tenacity

from gateway.domain.clock import Clock
from gateway.domain.errors import BadSettings, DeliveryUnknown, NotDelivered
from gateway.wire.addresses import AddressRefused, NameUnknown, PeerAddress, Place, Resolver, parse_address, resolve
from gateway.wire.exchange import CountingRecorder, Ending, Exchange, Recorder, new_exchange_id
from gateway.wire.messages import OutboundRequest, WireResponse

__all__ = ["Courier", "CourierLine", "PeerAddress"]

_HEAD_BYTES = 65_536  # allowance for status line, headers and chunk framing beside the body's own limit
_PIECE = 16_384  # one TLS record; the deadline is looked at before each piece
_IDLE_SECONDS = 4.0  # below the 5 s after which common servers drop a quiet connection
_AGE_SECONDS = 300.0  # a moved name is noticed at the latest then
_POOLED = 8  # quiet connections kept per peer
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect"})
_NO_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class _TooLate(Exception):
    """The total deadline has passed."""


class _TooLarge(Exception):
    """The answer is larger than the peer's limit."""


class _NotConnected(Exception):
    """The connection did not come to stand; trying again is safe."""


class _NothingLeft(Exception):
    """A connection broke before the first byte of the request was taken: provably nothing was written."""


@dataclass(slots=True)
class _Deadline:
    clock: Clock
    at: float

    def left(self) -> float:
        """Seconds left; raises ``_TooLate`` when there are none."""
        left = self.at - self.clock.monotonic()
        if left <= 0:
            raise _TooLate
        return left


class _Intake(io.RawIOBase):
    """The socket's reading side: waits no longer than the deadline, takes no more than the limit, keeps it all."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.deadline: _Deadline | None = None
        self.limit = 0
        self.raw = bytearray()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed: WriteableBuffer
        if self.deadline is None:  # between two answers nothing may be waited for
            return 0
        self._sock.settimeout(self.deadline.left())
        count = self._sock.recv_into(buffer)
        self.raw += memoryview(buffer)[:count]
        if len(self.raw) > self.limit:
            raise _TooLarge
        return count


class _Reader(io.BufferedReader):
    """``http.client`` closes its file after each answer; the connection outlives it."""

    def close(self) -> None:
        pass


class _Connection:
    """One socket to one checked address, with the request and the answer that are on it."""

    def __init__(self, sock: socket.socket, *, tls: bool, made_at: float) -> None:
        self.sock = sock
        self.tls = tls
        self.made_at = self.used_at = made_at
        self.process = os.getpid()
        self.intake = _Intake(sock)
        self.reader = _Reader(self.intake)

    def makefile(self, mode: str) -> _Reader:
        """What ``http.client`` asks of a socket."""
        return self.reader

    def usable(self, now: float) -> bool:
        """False for a connection that is old, another process's, closed over there, or holds bytes nobody asked for."""
        if self.process != os.getpid() or now - self.used_at > _IDLE_SECONDS or now - self.made_at > _AGE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def send(self, data: bytes, deadline: _Deadline) -> None:
        """Write all of it. Raises ``_NothingLeft`` only where the system took not one byte."""
        view, taken = memoryview(data), 0
        while taken < len(view):
            try:
                self.sock.settimeout(deadline.left())
                taken += self.sock.send(view[taken : taken + _PIECE])
            except (OSError, _TooLate) as error:
                # A failed TLS write may have let part of a record go, so only a plain socket proves anything.
                if taken == 0 and (not self.tls or isinstance(error, _TooLate)):
                    raise _NothingLeft(_cause(error)) from error
                raise

    def read(self, method: str, deadline: _Deadline, *, max_bytes: int) -> tuple[WireResponse, bool]:
        """The whole answer, and whether the connection may serve again. Raises whatever breaks it."""
        self.intake.deadline, self.intake.limit = deadline, max_bytes + _HEAD_BYTES
        answer = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]  # needs only makefile
        answer.begin()
        if answer.status < 200:
            raise http.client.HTTPException("an interim status instead of an answer")
        if answer.length is not None and answer.length > max_bytes:
            raise _TooLarge
        body = b"" if answer.isclosed() else answer.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise _TooLarge
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        headers: dict[str, str] = {}
        for name, value in answer.headers.items():
            low = name.lower()
            headers[low] = f"{headers[low]}, {value}" if low in headers else value
        self.intake.deadline = None
        again = not answer.will_close and not self.reader.peek(1)
        return WireResponse(answer.status, body, headers), again

    def close(self) -> None:
        """Let go of it."""
        self.sock.close()


@dataclass(slots=True)
class _Peer:
    name: str
    address: PeerAddress
    place: Place
    tls: ssl.SSLContext | None
    pool: deque[_Connection] = field(default_factory=deque)


class Courier:
    """All enrolled peers and their quiet connections; shared by all threads of a process."""

    def __init__(
        self,
        addresses: Mapping[str, PeerAddress],
        recorder: Recorder,
        clock: Clock,
        *,
        resolver: Resolver | None = None,
        later: Callable[[str], PeerAddress | None] = lambda _name: None,
    ) -> None:
        """``addresses`` by peer code; ``resolver`` only to stand in for the system's.

        ``later`` is asked for peers that are enrolled while we run: their address, or none. It is asked for every
        line, so that a changed enrolment holds from the next one.

        Raises ``BadSettings`` for an address that cannot be used or certificates that cannot be read.
        """
        self.recorder = CountingRecorder(recorder)
        self.clock = clock
        self.resolver = resolver
        self._peers = {name: _enrol(name, address) for name, address in addresses.items()}
        self._later = later
        self._lock = threading.Lock()
        self._enrolled_later: dict[str, _Peer] = {}

    def line(self, peer: str, *, case_id: str = "", call_id: str = "", started: float | None = None) -> CourierLine:
        """A line to one peer for one attempt.

        ``started`` is ``clock.monotonic()`` at the claim: the total deadline counts from there (default: now).
        Raises ``BadSettings`` for a peer that has no enrolled address, or a later one that cannot be used.
        """
        known = self._peers.get(peer) or self._look_later(peer)
        begun = self.clock.monotonic() if started is None else started
        return CourierLine(self, known, case_id=case_id, call_id=call_id, started=begun)

    def _look_later(self, name: str) -> _Peer:
        address = self._later(name)
        if address is None:
            raise BadSettings(f"{name}: no address is enrolled")
        with self._lock:
            known = self._enrolled_later.get(name)
            if known is None or known.address != address:
                if known is not None:
                    _empty(known)
                known = self._enrolled_later[name] = _enrol(name, address)
            return known

    @property
    def unrecorded(self) -> int:
        """How many exchanges could not be recorded since the start."""
        return self.recorder.failures

    def close(self) -> None:
        """Close all quiet connections."""
        with self._lock:
            peers = [*self._peers.values(), *self._enrolled_later.values()]
        for peer in peers:
            _empty(peer)


class CourierLine:
    """One attempt's way out; implements ``contracts.backend.Line``. Belongs to one thread.

    ``wrote`` is True once bytes of any request may have left, ``sent_at`` the moment (aware UTC) of the first;
    ``exchange_id`` names the latest exchange record.
    """

    def __init__(self, courier: Courier, peer: _Peer, *, case_id: str, call_id: str, started: float) -> None:
        self._courier = courier
        self._peer = peer
        self._case_id = case_id
        self._call_id = call_id
        self._deadline = _Deadline(courier.clock, started + peer.address.deadline)
        self.wrote = False
        self.sent_at: datetime | None = None
        self.exchange_id = ""

    def remaining(self) -> float:
        """Seconds left of the total deadline, never below 0."""
        return max(0.0, self._deadline.at - self._courier.clock.monotonic())

    def send(self, request: OutboundRequest) -> WireResponse:
        """Send once; header names of the answer are lower-cased, any status is an answer.

        Raises ``NotDelivered`` when certainly nothing arrived, ``DeliveryUnknown`` for everything else, both
        with the exchange id; ``ValueError`` for a request that must not be written (nothing is sent).
        """
        head = _head(request, self._peer.place)
        exchange_id = self.exchange_id = new_exchange_id()
        begun = self._courier.clock.now()
        sent = _Sent()
        ending, cause = Ending.UNKNOWN, "interrupted"
        answer: WireResponse | None = None
        name = self._peer.name
        try:
            answer = self._talk(request, head + request.body, sent)
            ending, cause = Ending.ANSWERED, ""
            return answer
        except Exception as error:
            cause = _cause(error)
            if sent.left:
                raise DeliveryUnknown(cause, peer=name, exchange_id=exchange_id) from error
            ending = Ending.NOT_DELIVERED
            raise NotDelivered(cause, peer=name, exchange_id=exchange_id) from error
        finally:
            answer_head, cut, rest = bytes(sent.raw).partition(b"\r\n\r\n")
            self._courier.recorder.record(
                Exchange(
                    exchange_id,
                    name,
                    direction="out",
                    purpose=request.purpose,
                    case_id=self._case_id,
                    call_id=self._call_id,
                    started_at=begun,
                    ended_at=self._courier.clock.now(),
                    request=request.body,
                    status=answer.status if answer else _status(answer_head),
                    response=answer.body if answer else rest,
                    outcome=ending.value,
                    cause=cause,
                    request_head=head,
                    response_head=answer_head + cut,
                )
            )

    def _talk(self, request: OutboundRequest, data: bytes, sent: _Sent) -> WireResponse:
        peer, clock = self._peer, self._courier.clock
        self._deadline.left()
        connection, pooled = self._pooled(), True
        while True:
            if connection is None:
                connection, pooled = self._connect(), False
            done = False
            try:
                self._deadline.left()  # a worker that was frozen past its deadline must not send
                sent.left = True
                try:
                    connection.send(data, self._deadline)
                except _NothingLeft:
                    sent.left = False
                    if not pooled:
                        raise
                    continue  # the quiet connection was dead: a new one, nothing was written
                finally:
                    if sent.left:
                        self.wrote = True
                        self.sent_at = self.sent_at or clock.now()
                connection.intake.raw = sent.raw
                answer, done = connection.read(request.method, self._deadline, max_bytes=peer.address.max_bytes)
                return answer
            finally:
                if done and len(peer.pool) < _POOLED:
                    connection.used_at = clock.monotonic()
                    peer.pool.append(connection)
                else:
                    connection.close()
                connection = None

    def _pooled(self) -> _Connection | None:
        while (connection := _take(self._peer)) is not None:
            if connection.usable(self._courier.clock.monotonic()):
                return connection
            connection.close()
        return None

    def _connect(self) -> _Connection:
        place = self._peer.place
        addresses = resolve(place, self._deadline.left(), resolver=self._courier.resolver)
        again = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._peer.address.connect_tries),
            wait=tenacity.wait_random(0.02, 0.1),
            retry=tenacity.retry_if_exception_type(_NotConnected),
            reraise=True,
        )
        return again(self._connect_any, addresses)

    def _connect_any(self, addresses: tuple[str, ...]) -> _Connection:
        problem: OSError | None = None
        for address in addresses:
            try:
                return self._connect_to(address)
            except ssl.SSLCertVerificationError:
                raise  # another try shows the same certificate
            except OSError as error:
                problem = error
        raise _NotConnected(_cause(problem) if problem else "no address")

    def _connect_to(self, address: str) -> _Connection:
        peer, limit = self._peer, self._peer.address.connect_timeout
        sock = socket.create_connection((address, peer.place.port), timeout=min(limit, self._deadline.left()))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if peer.tls is not None:
                sock = peer.tls.wrap_socket(
                    sock,
                    server_hostname=peer.place.host,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,  # an answer cut inside TLS is a cut answer, not a short one
                )
                sock.settimeout(min(limit, self._deadline.left()))
                sock.do_handshake()
            return _Connection(sock, tls=peer.tls is not None, made_at=self._courier.clock.monotonic())
        except BaseException:
            sock.close()
            raise


@dataclass(slots=True)
class _Sent:
    """What is known of one request while it is on its way: did bytes leave, and what came back so far."""

    left: bool = False
    raw: bytearray = field(default_factory=bytearray)


def _enrol(name: str, address: PeerAddress) -> _Peer:
    place = parse_address(name, address)
    if not place.tls:
        return _Peer(name, address, place, None)
    try:
        if isinstance(address.verify, str):
            folder = os.path.isdir(address.verify)
            context = ssl.create_default_context(
                cafile=None if folder else address.verify, capath=address.verify if folder else None
            )
        else:
            context = ssl.create_default_context()
            if not address.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(f"{name}: verify: the certificates cannot be read: {error}") from None
    return _Peer(name, address, place, context)


def _take(peer: _Peer) -> _Connection | None:
    try:
        return peer.pool.pop()  # newest first: the older ones grow too old and are dropped
    except IndexError:
        return None


def _empty(peer: _Peer) -> None:
    while (connection := _take(peer)) is not None:
        connection.close()


def _head(request: OutboundRequest, place: Place) -> bytes:
    method = request.method
    if not method.isascii() or not method.isalpha() or method != method.upper():
        raise ValueError("the method must be upper-case letters")
    lines = [f"{method} {place.target(request.url)} HTTP/1.1", f"Host: {place.host_header}"]
    lines.append("Accept-Encoding: identity")
    if request.body or method not in _NO_BODY:
        lines.append(f"Content-Length: {len(request.body)}")
    for name, value in request.headers.items():
        if name.lower() in _OURS:
            raise ValueError(f"{name} is the courier's own header")
        if not name or not all("!" <= sign <= "~" and sign != ":" for sign in name):
            raise ValueError("a header name that cannot be sent")
        if any(sign in value for sign in "\r\n\0"):
            raise ValueError(f"{name} holds a line end")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _status(head: bytes) -> int:
    word = head[9:12]
    return int(word) if head.startswith(b"HTTP/1.") and word.isdigit() else 0


def _cause(error: BaseException) -> str:
    """A few words for records and people who run the gateway; never bytes of a message."""
    match error:
        case _TooLate():
            return "the deadline passed"
        case TimeoutError():
            return "no answer in time"
        case _TooLarge():
            return "the answer is too large"
        case AddressRefused() | NameUnknown() | _NotConnected() | _NothingLeft():
            return f"{type(error).__name__.lstrip('_')}: {error}"
        case http.client.RemoteDisconnected():
            return "the line was cut before an answer"
        case http.client.HTTPException():
            return f"not an HTTP answer, or a cut one: {type(error).__name__}"
        case OSError():
            return f"{type(error).__name__}: {error.strerror or error}"
    return type(error).__name__
