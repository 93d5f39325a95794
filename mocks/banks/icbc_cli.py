"""Command line of the ICBC branch system: keys, single calls with a table to read, and load.

Must not know how a message is built (``icbc_sim``) or what a good submission holds (``samples``).
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rich.console import Console
from rich.table import Table

from mocks.banks.act_samples import PAPER, sample_supplement, sample_withdrawal
from mocks.banks.icbc_sim import Answer, IcbcBranch
from mocks.banks.samples import bank_ref, sample_submission

BANK = "ICBC"
_BROKEN = (OSError, http.client.HTTPException)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 = authentic and successful, 1 = anything else."""
    options = _parser().parse_args(arguments)
    if options.command == "keys":
        return make_keys(options.directory, options.name)
    branch = IcbcBranch(
        options.base,
        options.app_id,
        options.key,
        options.gateway_key,
        charset=options.charset,
        placement=options.placement,
        answer_hash=options.answer_hash,
        encrypt_key=base64.b64decode(options.encrypt_key) if options.encrypt_key else None,
        timeout=options.timeout,
    )
    if options.command == "load":
        return load(branch, options)
    try:
        answer = _call(branch, options)
    except _BROKEN as exc:
        Console().print(f"[red]no answer: {exc!r}[/red]")
        return 1
    show(answer)
    return 0 if answer.ok else 1


def make_keys(directory: Path, name: str) -> int:
    """Write ``<name>.key.pem`` (0600) and ``<name>.pub.pem``, RSA 2048; print the public key as the bank's form."""
    directory.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    target = os.open(directory / f"{name}.key.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(target, "wb") as file:
        file.write(private)
    public = key.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (directory / f"{name}.pub.pem").write_bytes(public.public_bytes(serialization.Encoding.PEM, spki))
    print(base64.b64encode(public.public_bytes(serialization.Encoding.DER, spki)).decode())
    return 0


def load(branch: IcbcBranch, options: argparse.Namespace) -> int:
    """Send ``count`` submissions at ``rate`` a second from ``threads`` threads; one JSON line each to ``out``."""
    outcomes: Counter[str] = Counter()
    times: list[float] = []
    lock = threading.Lock()
    begun = time.monotonic()

    with options.out.open("w", encoding="utf-8") as file:

        def one(position: int) -> None:
            if options.rate > 0:
                time.sleep(max(0.0, begun + position / options.rate - time.monotonic()))
            row = _submit_once(branch, options, options.start_serial + position)
            with lock:
                outcomes[row["outcome"]] += 1
                times.append(row["ms"])
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

        with ThreadPoolExecutor(options.threads) as pool:
            list(pool.map(one, range(options.count)))
    seconds = time.monotonic() - begun
    table = Table(title=f"{options.count} submissions in {seconds:.1f} s, {options.count / seconds:.1f} a second")
    table.add_column("outcome")
    table.add_column("count", justify="right")
    for outcome, count in outcomes.most_common():
        table.add_row(outcome, str(count))
    times.sort()
    for share in (50, 95, 99):
        table.add_row(f"p{share}", f"{times[min(len(times) - 1, len(times) * share // 100)]:.0f} ms")
    Console().print(table)
    return 0 if set(outcomes) == {"ok"} else 1


def _submit_once(branch: IcbcBranch, options: argparse.Namespace, serial: int) -> dict[str, Any]:
    """One submission; the same business part again, newly signed, while there is no authentic answer."""
    reference = bank_ref(BANK, serial)
    part = sample_submission(options.item, options.outlet, bank_ref=reference, scenario=options.scenario, serial=serial)
    begun = time.perf_counter()
    outcome, answer = "no_answer", None
    for _ in range(options.tries):
        try:
            answer = branch.submit(part)
        except _BROKEN:
            outcome = "no_answer"
            continue
        outcome = _outcome(answer)
        if answer.signature_ok:
            break
    return {
        "bank_ref": reference,
        "receipt_no": answer.receipt_no if answer else "",
        "outcome": outcome,
        "reason": answer.reason if answer else "",
        "state": answer.business.get("case", {}).get("state", "") if answer else "",
        "ms": round((time.perf_counter() - begun) * 1000, 1),
    }


def _outcome(answer: Answer) -> str:
    if not answer.signature_ok:
        return "not_authentic"
    return "ok" if answer.ok else "refused"


def _call(branch: IcbcBranch, options: argparse.Namespace) -> Answer:
    if options.command == "submit":
        serial = options.serial if options.serial is not None else int(time.time() * 10) % 16_000_000
        part = sample_submission(
            options.item,
            options.outlet,
            bank_ref=options.bank_ref or bank_ref(BANK, serial),
            scenario=options.scenario,
            serial=serial,
            material=options.material,
            applicant=options.applicant,
            agent=options.agent,
        )
        return branch.submit(part)
    if options.command == "query":
        return branch.query(receipt_no=options.receipt_no, case_ref=options.case_ref, timeline=True)
    if options.command == "changes":
        return branch.changes(options.cursor)
    if options.command == "echo":
        return branch.echo(options.text, notify=options.notify)
    return branch.call(options.command, _part(options))


def _part(options: argparse.Namespace) -> dict[str, Any]:
    """The business part of the operations that have no method of their own."""
    serial = int(time.time() * 10) % 16_000_000
    match options.command:
        case "supplement":
            return sample_supplement(
                options.outlet,
                bank_ref=options.bank_ref or bank_ref(BANK, serial),
                receipt_no=options.receipt_no,
                ask_no=options.ask_no,
                form=dict(pair.split("=", 1) for pair in options.form),
                materials=[{"id": one, **PAPER} for one in options.paper],
            )
        case "withdraw":
            reference = options.bank_ref or bank_ref(BANK, serial)
            return sample_withdrawal(options.outlet, bank_ref=reference, receipt_no=options.receipt_no)
        case "receipt":
            return {"receipt_no": options.receipt_no}
        case "item":
            return {"item": options.item}
        case "department_status":
            return {"department": options.department} if options.department else {}
    return {}


def show(answer: Answer) -> None:
    """Print an answer as a table."""
    table = Table(title=f"HTTP {answer.http_status}, {answer.milliseconds:.0f} ms", show_header=False)
    table.add_row("signature", "[green]holds[/green]" if answer.signature_ok else "[red]does not hold[/red]")
    table.add_row("return_code", f"{answer.return_code} {answer.return_msg}")
    for name, value in answer.business.items():
        for row, text in _flat(name, value):
            table.add_row(row, text)
    if not answer.business:
        table.add_row("raw", repr(answer.raw[:300]))
    Console().print(table)


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for inner, held in value.items() for pair in _flat(f"{name}.{inner}", held)]
    if isinstance(value, list):
        return [pair for at, held in enumerate(value) for pair in _flat(f"{name}[{at}]", held)]
    return [(name, str(value) if len(str(value)) <= 120 else f"{str(value)[:117]}…")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mocks.banks.icbc_sim", description="an ICBC branch system")
    parser.add_argument("--base", default="http://127.0.0.1:8000", help="address of the gateway")
    parser.add_argument("--app-id", default="90000000000000000301")
    parser.add_argument("--key", type=Path, default=Path("var/keys/icbc.key.pem"), help="the bank's private key, PEM")
    parser.add_argument(
        "--gateway-key", type=Path, help="the gateway's public key, PEM; without it nothing is authentic"
    )
    parser.add_argument("--charset", default="UTF-8")
    parser.add_argument("--placement", choices=("api", "ui"), default="api")
    parser.add_argument("--answer-hash", choices=("SHA256", "SHA1"), default="SHA256")
    parser.add_argument("--encrypt-key", default="", help="AES key, base64")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds")
    commands = parser.add_subparsers(dest="command", required=True)

    keys = commands.add_parser("keys", help="make a key pair")
    keys.add_argument("directory", type=Path)
    keys.add_argument("--name", default="icbc")

    submit = commands.add_parser("submit", help="file one sample application")
    submit.add_argument("--bank-ref", default="", help="default: made from the day and the serial")
    submit.add_argument("--serial", type=int, help="which invented person applies (default: by the clock)")
    submit.add_argument("--applicant", choices=("person", "organisation"), default="person")
    submit.add_argument("--material", choices=("paper", "promised"), default="paper")
    submit.add_argument("--agent", action="store_true", help="someone else stands there")

    many = commands.add_parser("load", help="file many")
    many.add_argument("--count", type=int, default=100)
    many.add_argument("--rate", type=float, default=0.0, help="a second; 0 = as fast as possible")
    many.add_argument("--threads", type=int, default=4)
    many.add_argument("--start-serial", type=int, default=1)
    many.add_argument("--tries", type=int, default=1, help="sendings of one submission until an authentic answer")
    many.add_argument("--out", type=Path, default=Path("load.jsonl"))
    for filing in (submit, many):
        filing.add_argument("--item", default="FT-SBX-001")
        filing.add_argument("--outlet", default="ICBC-FT-03")
        filing.add_argument("--scenario", default="grant")

    query = commands.add_parser("query", help="one case with its events")
    named = query.add_mutually_exclusive_group(required=True)
    named.add_argument("--receipt-no", default="")
    named.add_argument("--case-ref", default="")
    changes = commands.add_parser("changes", help="the feed")
    changes.add_argument("--cursor", default="")
    echo = commands.add_parser("echo", help="first contact")
    echo.add_argument("--text", default="first contact 测试")
    echo.add_argument("--notify", action="store_true", help="ask for a test notice")
    _more_commands(commands)
    return parser


def _more_commands(commands: Any) -> None:
    supplement = commands.add_parser("supplement", help="answer a correction, or bring promised papers")
    supplement.add_argument("--ask-no", required=True)
    supplement.add_argument("--form", action="append", default=[], metavar="FIELD=VALUE")
    supplement.add_argument("--paper", action="append", default=[], metavar="M1", help="a paper, seen at the counter")
    withdraw = commands.add_parser("withdraw", help="ask to withdraw")
    for act in (supplement, withdraw):
        act.add_argument("--receipt-no", required=True)
        act.add_argument("--outlet", default="ICBC-FT-03")
        act.add_argument("--bank-ref", default="", help="default: made from the day and the clock")
    commands.add_parser("receipt", help="the receipt again").add_argument("--receipt-no", required=True)
    commands.add_parser("item", help="one item's form, papers and rules").add_argument("--item", required=True)
    commands.add_parser("item_list", help="the first page of items")
    commands.add_parser("outlet_list", help="the bank's outlets")
    commands.add_parser("department_status", help="open, slow or closed").add_argument("--department", default="")
