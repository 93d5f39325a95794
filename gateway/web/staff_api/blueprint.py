"""Routes of the interface: strict reading of what comes, plain JSON of what goes.

Must not know who asks or what for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from flask import Request
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from gateway.web.staff_api.problems import MALFORMED, WRONG_TYPE, Problem
from gateway.wire.strict_json import NotJson, Number, parse

_View = TypeVar("_View", bound=Callable[..., Any])


class StrictParser(FlaskParser):
    """The house's own JSON reader (rules.md 9); members and parameters that nobody asked for are refused."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = dict.fromkeys(("json", "query"))  # the schema refuses them

    def load_json(self, req: Request, schema: Any) -> Any:
        """The body. Raises ``Problem``: another content type, or no plain JSON."""
        if req.mimetype != "application/json":
            raise Problem(WRONG_TYPE)
        try:
            return _plain(parse(req.get_data(), numbers="text"))
        except NotJson:
            raise Problem(MALFORMED) from None


def _plain(value: Any) -> Any:
    """Numbers as whole numbers where they are; any other stays the text it was and is refused where one is wanted."""
    if isinstance(value, Number):
        return int(value) if len(value) < 20 and value.lstrip("-").isdigit() else f"{value}"
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


class StaffBlueprint(Blueprint):  # type: ignore[misc]  # the library ships no types
    """A group of routes with strict reading."""

    ARGUMENTS_PARSER = StrictParser()

    # The library's decorators, with the types it does not ship.

    def route(self, rule: str, *, methods: Sequence[str] = ("GET",)) -> Callable[[_View], _View]:
        """A route below the group's prefix."""
        return cast("Callable[[_View], _View]", super().route(rule, methods=list(methods)))

    def arguments(self, schema: Any, *, location: str = "json") -> Callable[[_View], _View]:
        """What it takes: handed to the view as a mapping, before the parts of the path."""
        return cast("Callable[[_View], _View]", super().arguments(schema, location=location))

    def response(self, status: int, schema: Any = None) -> Callable[[_View], _View]:
        """What it gives."""
        return cast("Callable[[_View], _View]", super().response(status, schema))
