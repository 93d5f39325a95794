"""The WSGI application: a house with its doors hung.

Must not build services; that is ``bootstrap``.
"""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from gateway.bootstrap import House
from gateway.parties.limits import Buckets
from gateway.store import migrate, work
from gateway.web import banks, blobs, callbacks, ops
from gateway.web.inbound import HARD_CAP


def create_app(house: House) -> Flask:
    """The web doors of this house."""
    app = Flask("gateway", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = HARD_CAP + 1
    app.url_map.merge_slashes = False  # a redirected POST loses its signature
    app.url_map.strict_slashes = False
    settings = house.settings
    addresses = Buckets(house.clock, rate=settings.address_rate, burst=2 * settings.address_rate)
    # Above its rate an address still hears why, signed; signing costs us, so not more often than four times the rate.
    flood = Buckets(house.clock, rate=4 * settings.address_rate, burst=8 * settings.address_rate)
    claimed = Buckets(house.clock, rate=settings.client_rate, burst=2 * settings.client_rate)
    doors = [
        (
            bank,
            banks.BankDoor(
                bank,
                house.desk,
                refusals=house.refusals,
                addresses=addresses,
                flood=flood,
                claimed=claimed,
                clock=house.clock,
                metrics=house.metrics,
                trusted_proxies=settings.trusted_proxies,
            ),
        )
        for bank in house.banks.values()
    ]
    app.register_blueprint(banks.blueprint(doors))
    app.register_blueprint(
        blobs.blueprint(
            blobs.BlobDoor(
                house.blobs,
                addresses=addresses,
                places=settings.threads // 4,
                trusted_proxies=settings.trusted_proxies,
            )
        )
    )
    app.register_blueprint(
        callbacks.blueprint(
            callbacks.CallbackDoor(
                house.database,
                house.vault,
                backends=house.backends,
                words=house.words,
                clock=house.clock,
                metrics=house.metrics,
                wake=house.wake,
                trusted_proxies=settings.trusted_proxies,
            )
        )
    )
    app.register_blueprint(
        ops.blueprint(
            metrics=house.metrics,
            keys=house.keys,
            ready=lambda: _not_ready(house),
            refresh=lambda: _count_work(house),
            networks=settings.ops_networks,
        )
    )
    for kind in (HTTPException, 500):  # never a page of the framework's
        app.register_error_handler(kind, lambda error: Response(status=getattr(error, "code", None) or 500))
    return app


def _not_ready(house: House) -> str:
    if migrate.present(house.settings.database_url) == "":
        return "schema missing"
    for purpose in ("receipt", "checkpoint"):
        house.keys.signer(purpose, house.clock.now())
    house.directory()
    return ""


def _count_work(house: House) -> None:
    house.sweeper.look()
    with house.database.read() as tx:
        rows = work.counts(tx)
    house.metrics.work.clear()
    for row in rows:
        house.metrics.work.labels(row["lane"], row["kind"], row["state"]).set(row["n"])
