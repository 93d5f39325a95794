"""Check characters of the identifiers people type: pure arithmetic over clean text.

Must not map, trim or judge free input; callers bring upper-case ASCII. Every ``…_holds`` is total: text it cannot read
fails. Sources: GB 11643-1999, GB 32100-2015, GB 11714-1997, GB/T 17710-2008 (ISO 7064),
GB/T 36904-2018, UPU S10.
"""

from __future__ import annotations

import re
from datetime import date
from operator import mul

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_ID_ZERO = 48 * sum(_ID_WEIGHTS)  # ASCII digits start at 48
_ID = re.compile(r"[0-9]{17}[0-9X]")

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I O S V Z
_USCC_VALUES = {char: value for value, char in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")

_ALPHABET_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES_36 = {char: value for value, char in enumerate(_ALPHABET_36)}
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORG = re.compile(r"[0-9A-Z]{8}[0-9X]")

_CNAPS = re.compile(r"[0-9]{12}")
_S10 = re.compile(r"[A-Z]{2}[0-9]{9}[A-Z]{2}")
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_E_CERTIFICATE = re.compile(
    r"1\.2\.156\.3005\.2\.([0-9A-Z]{18}[0-9]{3})\.([0-9A-Z]{18}|[0-9]{6})\.([0-9A-Z]{1,30})\.([0-9]{3})\.([0-9A-Z])"
)


def id_check(text: str) -> str:
    """The 18th character for 17 digits (GB 11643-1999, ISO 7064 MOD 11-2)."""
    return _ID_CHECKS[(sum(map(mul, text.encode(), _ID_WEIGHTS)) - _ID_ZERO) % 11]


def id_holds(text: str) -> bool:
    """True for 18 characters whose last is right; also residence permits and the permanent residence card of 2023."""
    return _ID.fullmatch(text) is not None and id_check(text[:17]) == text[17]


def birth_date(text: str) -> date | None:
    """The birth date inside an 18-character number (positions 7 to 14), or none where no such day exists."""
    try:
        return date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return None


def age_on(birth: date, day: date) -> int:
    """Full years; somebody born on 29 February turns older on 1 March."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def uscc_check(text: str) -> str:
    """The 18th character for 17 (GB 32100-2015). The outer modulus matters: 31 must give 0."""
    return _USCC_ALPHABET[-sum(map(mul, map(_USCC_VALUES.__getitem__, text), _USCC_WEIGHTS)) % 31]


def uscc_holds(text: str) -> bool:
    """True for a well-formed unified social credit code whose check character is right."""
    return _USCC.fullmatch(text) is not None and uscc_check(text[:17]) == text[17]


def org_code_check(text: str) -> str:
    """The 9th character for 8 (GB 11714-1997)."""
    return "0123456789X0"[11 - sum(map(mul, map(_VALUES_36.__getitem__, text), _ORG_WEIGHTS)) % 11]


def org_code_holds(text: str) -> bool:
    """True for a 9-character organisation code, such as positions 9 to 17 of a credit code."""
    return _ORG.fullmatch(text) is not None and org_code_check(text[:8]) == text[8]


def cnaps_check(text: str) -> str:
    """The 12th digit for 11 (ISO 7064 MOD 11,10)."""
    product = 10
    for digit in text:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def cnaps_holds(text: str) -> bool:
    """True for a 12-digit bank line number (联行号) whose last digit is right."""
    return _CNAPS.fullmatch(text) is not None and cnaps_check(text[:11]) == text[11]


def luhn_holds(text: str) -> bool:
    """True for digits that pass Luhn (bank cards); length is the caller's business."""
    if not (text.isascii() and text.isdigit()):
        return False
    digits = [byte - 48 for byte in text.encode()]
    doubled = digits[-2::-2]
    return (sum(digits) + sum(doubled) - 9 * sum(d > 4 for d in doubled)) % 10 == 0


def mod37_36_check(text: str) -> str:
    """The check character over digits and capital letters (ISO 7064 MOD 37,36): receipts, e-certificates.

    Raises ``KeyError`` for any other character.
    """
    product = 36
    for char in text:
        product = ((product + _VALUES_36[char]) % 36 or 36) * 2 % 37
    return _ALPHABET_36[(37 - product) % 36]


def mod37_36_holds(text: str) -> bool:
    """True when the last character checks those before it."""
    return len(text) > 1 and all(c in _VALUES_36 for c in text) and mod37_36_check(text[:-1]) == text[-1]


def s10_check(text: str) -> str:
    """The check digit for the 8 digits of a parcel number (UPU S10: 10 becomes 0, 11 becomes 5)."""
    rest = 11 - sum(map(mul, map(int, text), _S10_WEIGHTS)) % 11
    return {10: "0", 11: "5"}.get(rest, str(rest))


def s10_holds(text: str) -> bool:
    """True for a 13-character parcel number such as ``EA123456785CN``."""
    return _S10.fullmatch(text) is not None and s10_check(text[2:10]) == text[10]


def e_certificate_holds(text: str) -> bool:
    """True for an electronic certificate number (电子证照标识), checked over its four parts without dots."""
    found = _E_CERTIFICATE.fullmatch(text)
    return found is not None and mod37_36_check("".join(found.groups()[:4])) == found[5]
