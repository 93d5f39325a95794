"""``python -m mocks.idp``: an identity provider until SIGTERM; prints one JSON line with its port when it listens."""

from __future__ import annotations

import argparse
import sys

from mocks.departments.program import serve
from mocks.idp.provider import IdentityProvider


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m mocks.idp", description="a small identity provider")
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", default="ft-gateway")
    parser.add_argument("--algorithm", choices=["RS256", "ES256", "EdDSA"], default="ES256")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--life", type=int, default=100, help="seconds a token lives")
    asked = parser.parse_args()
    provider = IdentityProvider(
        asked.issuer, asked.audience, algorithm=asked.algorithm, port=asked.port, life=asked.life
    )
    return serve(provider, print_ready=True)


if __name__ == "__main__":
    sys.exit(main())
