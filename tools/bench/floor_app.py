"""The floor: the least a bank's door could do and still be honest, on the same server as the gateway.

Receives the same signed requests, checks the same signature over the same text, makes one committed INSERT and signs
an answer of the same size. Must not do anything more: what the gateway adds is measured against it.
"""

from __future__ import annotations

import argparse
import base64
import json
import threading
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask, Response, request
from gunicorn.app.base import BaseApplication
from sqlalchemy import BigInteger, Column, Engine, LargeBinary, MetaData, String, Table, create_engine, event

PATH = "/api/gov/case/submit/V1"
_METADATA = MetaData()
TABLE = Table(
    "floor",
    _METADATA,
    Column("id", String(32), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("ref", String(40), nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)
_PKCS1, _SHA256 = PKCS1v15(), SHA256()


def engine_for(url: str, *, threads: int) -> Engine:
    """An engine by the gateway's own recipe: durable on both databases, write locks taken at BEGIN on SQLite."""
    if url.startswith("postgresql"):
        return create_engine(url, pool_size=threads, max_overflow=threads)
    engine = create_engine(url, pool_size=24, max_overflow=24)

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def make_table(url: str) -> None:
    """The floor's one table."""
    engine = engine_for(url, threads=1)
    _METADATA.create_all(engine)
    engine.dispose()


def create_app(engine: Engine, *, bank_key: bytes, answer_bytes: int, one_writer: bool) -> Flask:
    """The application. ``bank_key``: public, PEM. ``answer_bytes``: how long an answer's signed content is.

    ``one_writer``: a lock per process round the write (floor ``l``), else the threads meet in the database (``b``).
    """
    public = load_pem_public_key(bank_key)
    if not isinstance(public, RSAPublicKey):
        raise TypeError("the bank's key is not RSA")
    private = generate_private_key(public_exponent=65537, key_size=2048)
    insert = TABLE.insert()
    turn: AbstractContextManager[Any] = threading.Lock() if one_writer else nullcontext()
    app = Flask("floor", static_folder=None)

    @app.post(PATH)
    def submit() -> Response:
        raw = request.get_data()
        parameters = dict(parse_qsl(raw.decode("ascii")))
        sign = base64.b64decode(parameters.pop("sign"))
        text = f"{PATH}?" + "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        public.verify(sign, text.encode(), _PKCS1, _SHA256)
        business = json.loads(parameters["biz_content"])
        row = {"id": uuid.uuid4().hex, "at": time.time_ns() // 1000, "ref": business["bank_ref"], "body": raw}
        with turn, engine.begin() as connection:
            connection.execute(insert, row)
        answer = {"return_code": 0, "msg_id": parameters["msg_id"], "result": "ok", "id": row["id"], "rest": ""}
        answer["rest"] = "x" * max(0, answer_bytes - len(json.dumps(answer, separators=(",", ":"))))
        content = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        signed = base64.b64encode(private.sign(content, _PKCS1, _SHA256))
        body = b'{"response_biz_content":' + content + b',"sign":"' + signed + b'"}'
        return Response(body, content_type="application/json; charset=UTF-8")

    @app.get("/readyz")
    def ready() -> Response:
        return Response("ready")

    return app


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn with the options the gateway's own server has."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        super().__init__()

    def load_config(self) -> None:
        """Hand gunicorn its options."""
        options = {
            "bind": f"127.0.0.1:{self._arguments.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._arguments.threads,
            "timeout": 120,
            "keepalive": 5,
            "limit_request_line": 8190,
            "limit_request_field_size": 8190,
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in the worker process, after the fork."""
        asked = self._arguments
        with open(asked.bank_key, "rb") as file:
            bank_key = file.read()
        return create_app(
            engine_for(asked.database, threads=asked.threads),
            bank_key=bank_key,
            answer_bytes=asked.answer_bytes,
            one_writer=asked.one_writer,
        )


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="the floor of the intake benchmark")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--bank-key", required=True)
    parser.add_argument("--answer-bytes", type=int, required=True)
    parser.add_argument("--one-writer", action="store_true")
    arguments = parser.parse_args()
    make_table(arguments.database)
    Server(arguments).run()


if __name__ == "__main__":
    main()
