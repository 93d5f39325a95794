"""Processes: the web server (gunicorn, gthread) and the worker, both stopped by SIGTERM with a drain (rules.md 41).

Never the development server: a bank's own client insists on HTTP/1.1. Services are built after the fork.
"""

from __future__ import annotations

import signal
import threading
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from gunicorn.app.base import BaseApplication
from prometheus_client import start_http_server

from gateway.app import create_app
from gateway.bootstrap import House, build
from gateway.config import Settings

_log = structlog.get_logger("serving")


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn with our settings; one process when dispatch is embedded."""

    def __init__(self, settings: Settings, *, dispatch: bool) -> None:
        self._settings = settings
        self._dispatch = dispatch
        self._house: House | None = None
        super().__init__()

    def load_config(self) -> None:
        """Hand gunicorn its options."""
        settings = self._settings
        host, port = settings.listen
        options: dict[str, Any] = {
            "bind": f"{host}:{port}",
            "workers": 1 if self._dispatch else settings.workers,
            "worker_class": "gthread",
            "threads": settings.threads,
            "graceful_timeout": settings.drain_seconds + 5,
            "timeout": 120,
            "keepalive": 5,
            "limit_request_line": 8190,  # one bank puts its signature into the query
            "limit_request_field_size": 8190,
            "loglevel": "warning",
            "proc_name": "gateway",
            "worker_exit": self._on_worker_exit,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """Called in the worker process, after the fork."""
        self._house = build(self._settings, doors=True, dispatch=self._dispatch)
        self._house.start()
        return create_app(self._house)

    def _on_worker_exit(self, _server: Any, _worker: Any) -> None:
        if self._house is not None and not self._house.stop():
            _log.warning("stopped.with_work_under_way")


def serve(settings: Settings, *, dispatch: bool) -> None:
    """Run the web doors until stopped; with ``dispatch`` also the calls to departments."""
    WebServer(settings, dispatch=dispatch).run()


def work_until_stopped(settings: Settings) -> bool:
    """Run dispatch alone until SIGTERM or SIGINT; True when it drained in time."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    house = build(settings, doors=False, dispatch=True)
    house.start()
    if settings.worker_listen is not None:
        host, port = settings.worker_listen
        start_http_server(port, host, registry=house.metrics.registry)
    _log.info("worker.started", lanes=sorted(house.backends))
    stop.wait()
    return house.stop()
