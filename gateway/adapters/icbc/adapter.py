"""ICBC's dialect: from its signed parameters to a canonical request, from a reply to its signed answer.

Must not remember, send or decide. ``open`` judges in the order of operations.md 5 and refuses everything before the
signature holds with one answer; its causes are for our log only.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from gateway.adapters.icbc import notices, signing, wire
from gateway.adapters.icbc.codes import return_code
from gateway.contracts.backend import Line
from gateway.contracts.bank import BankTraits, Client, ClientDirectory, Door, Notice, Receipt
from gateway.contracts.settings import PeerSettings
from gateway.domain.clock import Clock
from gateway.domain.errors import BadSettings, NotAuthentic, NotUnderstood
from gateway.domain.reasons import Reason, WarningCode
from gateway.domain.requests import AnswerWarning, BankReply, BankRequest, BusinessPart, Hint, Operation
from gateway.signing import canon, profiles
from gateway.signing.keys import KeyRing
from gateway.signing.profiles import Algorithm, NotDeciphered
from gateway.wire import strict_json
from gateway.wire.messages import WireRequest, WireResponse

MAX_BODY = 256 * 1024
MAX_BUSINESS = 64 * 1024
MAX_DEPTH = 16
SKEW = timedelta(minutes=10)
VERSION = "1"
AES = b"AES"
MAX_NAME, MAX_WARNINGS = 64, 10

OPTION_STOCK_SDK = "stock_sdk"  # "yes": answers in SHA-1, by a key used for nothing else
OPTION_ENCRYPT = "encrypt"  # "required": plain requests are refused


class IcbcBank:
    """The dialect of ICBC's API open platform, as its clients speak it."""

    code = "ICBC"
    traits = BankTraits(
        notifies=True,
        encrypts=True,
        clock_skew_seconds=int(SKEW.total_seconds()),
        charsets=("UTF-8", "GBK"),
        profiles=("icbc",),
    )
    doors = tuple(Door(path, operation) for path, operation in wire.PATHS.items())
    prefix = wire.PREFIX  # every path below it is answered, also one that is no operation

    def __init__(
        self,
        *,
        settings: PeerSettings,
        keys: KeyRing,
        directory: Callable[[], ClientDirectory],
        clock: Clock,
    ) -> None:
        """Setting ``signed_path_prefix``: what a proxy takes off the path that the clients sign.

        Raises ``BadSettings`` if it is not ``/a`` or ``/a/b``.
        """
        self._path_prefix = settings.get("signed_path_prefix")
        if self._path_prefix and (not self._path_prefix.startswith("/") or self._path_prefix.endswith("/")):
            raise BadSettings(f"signed_path_prefix {self._path_prefix!r}: write it like /gateway")
        self._keys = keys
        self._directory = directory
        self._clock = clock

    # --- in ----------------------------------------------------------------------------------------------------------

    def open(self, request: WireRequest) -> BankRequest:
        """Verify, decrypt, parse; pure.

        Raises ``NotAuthentic`` or ``NotUnderstood`` with a ``Hint``, nothing else.
        """
        if len(request.body) + len(request.query) > MAX_BODY:
            raise self._not_understood("body over 256 KiB", Hint(bank=self.code), Reason.TOO_LARGE)
        try:
            parameters = wire.read_parameters(request.query, request.body)
        except wire.NotReadable as error:
            raise NotAuthentic(str(error), hint=Hint(bank=self.code), peer=self.code) from None
        client, hint, texts = self._authenticated(request, parameters)
        self._require_fresh(hint, request.received_at)
        self._require_envelope(hint, texts)
        operation = self._operation(hint, client)
        business = self._business(hint, operation, texts[wire.BIZ_CONTENT])
        addresses = tuple(name for name, text in texts.items() if wire.is_address(name, text))[:MAX_WARNINGS]
        return BankRequest(
            self.code,
            hint,
            operation,
            business,
            self._warnings(hint, texts),
            tuple(wire.word(name, MAX_NAME) or "-" for name in addresses),
        )

    def _authenticated(
        self, request: WireRequest, parameters: Mapping[bytes, bytes]
    ) -> tuple[Client, Hint, dict[bytes, str]]:
        """The client whose signature holds, what is known of it, and its parameters as text, deciphered."""
        at = request.received_at
        path = (self._path_prefix + request.path).encode("utf-8", "backslashreplace")
        text = signing.text_to_sign(path, parameters)
        sign_type = parameters.get(wire.SIGN_TYPE, b"")
        charset = wire.charset(parameters.get(wire.CHARSET, b""))
        claimed = wire.word(parameters.get(wire.APP_ID, b""), wire.MAX_APP_ID)
        client = self._directory().find(self.code, claimed) if claimed else None
        hint = Hint(
            bank=self.code,
            claimed_id=claimed,
            client_id=client.client_id if client else "",
            profile=client.profile if client else "",
            transport_id=wire.word(parameters.get(wire.MSG_ID, b""), wire.MAX_MSG_ID),
            message_digest=canon.sha256_label(text),
            operation=wire.PATHS.get(request.path, ""),
            sent_at=wire.sent_at(parameters.get(wire.TIMESTAMP, b"")),
            answer={"charset": charset.label} if charset else {},
        )
        key, cause = signing.verifying_key(
            client, at, sign_type=sign_type, text=text, signature=parameters.get(wire.SIGN, b"")
        )
        if client is not None and client.status != "active":
            cause = "blocked"
        elif client is not None and not cause and not _calls_from(request.remote_addr, client.addresses):
            cause = "address_not_enrolled"
        if client is None or key is None or cause:
            raise NotAuthentic(cause, hint=hint, peer=self.code)
        if charset is None:
            raise NotAuthentic("bad_charset", hint=hint, peer=self.code)
        try:
            content, answer = _deciphered(parameters, client, at)
            in_plain = {**parameters, wire.BIZ_CONTENT: content} if content is not None else parameters
            texts = {name: value.decode(charset.decoder) for name, value in in_plain.items()}
        except UnicodeDecodeError:
            raise NotAuthentic("bad_charset", hint=hint, peer=self.code) from None
        except NotDeciphered as error:
            raise NotAuthentic(str(error), hint=hint, peer=self.code) from None
        if (client.options or {}).get(OPTION_STOCK_SDK) == "yes":
            answer["sign"] = Algorithm.RSA_SHA1
        answer["charset"] = charset.label
        answer["algorithm"] = key.algorithm
        return client, replace(hint, authentic=True, key_id=key.key_id, answer=answer), texts

    def _require_fresh(self, hint: Hint, received_at: datetime) -> None:
        if hint.sent_at is None:
            raise self._not_understood("timestamp missing or malformed", hint)
        if abs(received_at - hint.sent_at) > SKEW:
            raise NotAuthentic("outside the window", hint=hint, reason=Reason.CLOCK, peer=self.code)

    def _require_envelope(self, hint: Hint, texts: Mapping[bytes, str]) -> None:
        if not hint.transport_id:
            raise self._not_understood("msg_id missing or malformed", hint)
        if texts.get(wire.FORMAT) != "json":
            raise self._not_understood("format is not json", hint)
        if wire.BIZ_CONTENT not in texts and hint.operation:
            raise self._not_understood("biz_content missing", hint)

    def _operation(self, hint: Hint, client: Client) -> Operation:
        """The operation the signed path names, if this client may use it."""
        if not hint.operation:
            raise self._not_understood("no such path", hint, Reason.OPERATION_UNKNOWN)
        if client.operations and hint.operation not in client.operations:
            raise self._not_understood("not enrolled for it", hint, Reason.OPERATION_NOT_ALLOWED)
        return Operation(hint.operation)

    def _business(self, hint: Hint, operation: Operation, text: str) -> BusinessPart:
        if len(text) > MAX_BUSINESS or len(text.encode("utf-8", "surrogatepass")) > MAX_BUSINESS:
            raise self._not_understood("business part over 64 KiB", hint, Reason.TOO_LARGE)
        try:
            members = strict_json.parse(text, max_depth=MAX_DEPTH)
            if type(members) is not dict:
                raise self._not_understood("business part is no object", hint, Reason.NOT_UNDERSTOOD)
            canonical = canon.business_canonical(members)
        except (strict_json.NotJson, canon.NotCanonical) as error:
            raise self._not_understood(str(error), hint, Reason.NOT_UNDERSTOOD) from None
        if members.get("op") != operation.value:
            raise self._not_understood("op is not the operation of the path", hint)
        if members.get("v") != VERSION:
            raise self._not_understood("unknown v", hint, Reason.VERSION_UNKNOWN)
        return BusinessPart(members, canonical)

    def _warnings(self, hint: Hint, texts: Mapping[bytes, str]) -> tuple[AnswerWarning, ...]:
        extra = [name for name in texts if name not in wire.KNOWN]
        warnings = [
            AnswerWarning(WarningCode.MEMBER_IGNORED, "该参数未被使用", wire.word(name, MAX_NAME))
            for name in extra[:MAX_WARNINGS]
        ]
        if hint.answer.get("algorithm") == Algorithm.RSA_SHA1:
            warnings.append(AnswerWarning(WarningCode.LEGACY_ALGORITHM, "签名算法已过时，请改用RSA2", "sign_type"))
        return tuple(warnings)

    def _not_understood(self, cause: str, hint: Hint, reason: Reason = Reason.ENVELOPE_INVALID) -> NotUnderstood:
        return NotUnderstood(cause, hint=hint, reason=reason, peer=self.code)

    # --- out ---------------------------------------------------------------------------------------------------------

    def seal(self, reply: BankReply, hint: Hint) -> WireResponse:
        """The answer in ICBC's frame, in the request's charset, encrypted as it came, signed; total.

        A reply that cannot be written becomes ``INTERNAL``; without our key the body is an unsigned ``CANNOT_SIGN``.
        """
        charset = wire.answer_charset(hint.answer.get("charset", ""))
        try:
            content = self._content(reply, hint, charset)
        except Exception:  # total: whatever a reply holds, the bank hears something
            content = wire.content_bytes(_members(BankReply(hint.operation, Reason.INTERNAL), hint), charset)
        try:
            signature = base64.b64encode(self._sign(content, hint))
        except Exception:  # also a signer outside this process that fails in its own way
            content = wire.content_bytes(_members(BankReply(hint.operation, Reason.CANNOT_SIGN), hint), charset)
            signature = b""
        headers = {"Content-Type": f"application/json; charset={charset.label}"}
        return WireResponse(200, wire.framed(content, signature), headers)

    def _content(self, reply: BankReply, hint: Hint, charset: wire.Charset) -> bytes:
        plain = wire.content_bytes(_members(reply, hint), charset)
        if not hint.authentic or "cipher" not in hint.answer:
            return plain
        client = self._directory().find(self.code, hint.claimed_id)
        keys = client.keys if client else ()
        cipher = next(key for key in keys if key.use == "cipher" and key.key_id == hint.answer["cipher"])
        return b'"' + base64.b64encode(profiles.aes_cbc_zero_iv_encrypt(cipher.material, plain)) + b'"'

    def _sign(self, content: bytes, hint: Hint) -> bytes:
        # Before authentication always the same key: its choice must not tell how a claimed client is enrolled.
        stock = hint.authentic and hint.answer.get("sign") == Algorithm.RSA_SHA1
        purpose = f"answer-{self.code.lower()}-sha1" if stock else f"answer-{self.code.lower()}"
        return self._keys.signer(purpose, self._clock.now()).sign(content)

    def notify(self, notice: Notice, line: Line) -> Receipt:
        """Tell one event at the client's enrolled address, signed with our answer key in SHA-256.

        Raises delivery errors, ``NotAuthentic``, ``NotUnderstood``, ``Refused``, ``BadSettings``, ``KeyAway``.
        """
        now = self._clock.now()
        encrypted = (notice.client.options or {}).get(OPTION_ENCRYPT) == "required"
        signer = self._keys.signer(f"answer-{self.code.lower()}", now)
        cipher = notice.client.cipher_key(now) if encrypted else None
        if encrypted and cipher is None:
            raise BadSettings(f"{notice.client.client_id}: encryption is required and no cipher key is enrolled")
        return notices.send(notice, line, at=now, sign=signer.sign, cipher=cipher)

    def scrub(self, raw: bytes) -> bytes:
        """The bytes with personal data, business content and signatures masked; unknown shapes masked as a whole."""
        return wire.scrubbed(raw)


def _members(reply: BankReply, hint: Hint) -> dict[str, Any]:
    body = reply.body()
    return {
        "return_code": return_code(reply.reason),
        "return_msg": body["message"][: wire.MAX_RETURN_MSG],
        "msg_id": hint.transport_id,
        **body,
    }


def _deciphered(parameters: Mapping[bytes, bytes], client: Client, at: datetime) -> tuple[bytes | None, dict[str, str]]:
    """``biz_content`` in plain (``None`` if it came so, or not at all), and what ``seal`` must know to answer likewise.

    Raises ``NotDeciphered`` with the cause: type not taken, not enrolled, plain where cipher is required, bad bytes.
    """
    encrypt_type = parameters.get(wire.ENCRYPT_TYPE, b"")
    if not encrypt_type:
        if (client.options or {}).get(OPTION_ENCRYPT) == "required":
            raise NotDeciphered("plain_refused")
        return None, {}
    cipher = client.cipher_key(at)
    if encrypt_type != AES or cipher is None:
        raise NotDeciphered("cipher_not_enrolled")
    sealed = signing.strict_base64(parameters.get(wire.BIZ_CONTENT, b""))
    if sealed is None:
        raise NotDeciphered("bad_padding")
    try:
        return profiles.aes_cbc_zero_iv_decrypt(cipher.material, sealed), {"cipher": cipher.key_id}
    except NotDeciphered:
        raise NotDeciphered("bad_padding") from None


@lru_cache(maxsize=1024)
def _networks(cidrs: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(cidr, strict=False) for cidr in cidrs)


def _calls_from(address: str, cidrs: tuple[str, ...]) -> bool:
    """True where no address is enrolled, or the caller's is in one of the networks (also IPv4 mapped into IPv6)."""
    if not cidrs:
        return True
    try:
        caller = ip_address(address)
        if isinstance(caller, IPv6Address) and caller.ipv4_mapped is not None:
            caller = caller.ipv4_mapped
        return any(caller in network for network in _networks(cidrs))
    except ValueError:
        return False  # an unreadable address or enrolment lets nobody in
