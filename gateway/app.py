"""The WSGI application: a house with its doors hung.

Must not build services; that is ``bootstrap``.
"""

from __future__ import annotations

from flask import Flask, Response, request

from gateway.bootstrap import House
from gateway.cases.overview import Overview
from gateway.dispatch import trail_check
from gateway.parties.limits import Buckets
from gateway.store import migrate, work
from gateway.web import banks, blobs, callbacks, ops
from gateway.web.inbound import HARD_CAP, caller_address
from gateway.web.staff_api import acts, cases, hang, shelf, sign_in
from gateway.web.staff_api import overview as overview_routes
from gateway.web.staff_api.gate import Gate, me
from gateway.web.staff_api.once import Once


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
    _hang_staff(app, house)

    def refused(error: Exception) -> Response:
        """Never a page of the framework's."""
        return hang.answer(error) or Response(status=getattr(error, "code", None) or 500)

    for kind in hang.ERRORS:
        app.register_error_handler(kind, refused)
    return app


def _hang_staff(app: Flask, house: House) -> None:
    """The staff interface with everything it may call."""
    settings = house.settings
    tries = Buckets(house.clock, rate=settings.sign_in_rate, burst=5 * settings.sign_in_rate)
    once = Once(house.database, house.vault, who=lambda: me().label)
    overview = Overview(
        house.database,
        catalogue=house.catalogue,
        directory=house.directory,
        clockwork=house.clockwork,
        clock=house.clock,
    )
    hang.hang(
        app,
        Gate(house.sessions, house.database, house.clock),
        [
            lambda: sign_in.routes(
                house.sessions,
                house.clock,
                once,
                address=lambda: caller_address(request, settings.trusted_proxies),
                may_try=tries.take,
            ),
            lambda: cases.routes(house.staff_cases, once),
            lambda: shelf.routes(house.shelf, once, wake=house.wake),
            lambda: acts.routes(house.acts, house.staff_cases, once),
            lambda: overview_routes.routes(
                overview,
                lambda first: trail_check.check(house.database, house.keys, log_id=settings.log_id, first=first),
            ),
        ],
    )


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
