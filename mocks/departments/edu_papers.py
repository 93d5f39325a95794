"""Papers FT_EDU makes: a one-page PDF for a result, and the number of an e-certificate (GB/T 36904-2018).

Must not know cases; it is given words and gives bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KIND = "11100000000013127D020"
_ISSUER = "114403040075431024"


def check_character(digits: str) -> str:
    """ISO 7064 MOD 37,36 of ``digits`` (0-9, A-Z)."""
    product = 36
    for sign in digits:
        product = (product + _ALPHABET.index(sign)) % 36 or 36
        product = product * 2 % 37
    return _ALPHABET[(37 - product) % 36]


def certificate_number(year: int, serial: int) -> str:
    """The number of the e-certificate of a result."""
    number, version = f"{year:04d}{serial % 10_000_000:07d}", "001"
    check = check_character(_KIND + _ISSUER + number + version)
    return f"1.2.156.3005.2.{_KIND}.{_ISSUER}.{number}.{version}.{check}"


def paper(lines: Sequence[str]) -> bytes:
    """A PDF page with ``lines`` in the viewer's own Chinese font, the first line as a title."""
    drawn = [b"BT"]
    for position, line in enumerate(lines):
        size, height = (20, 760) if position == 0 else (12, 730 - 24 * position)
        drawn.append(f"/F1 {size} Tf 1 0 0 1 72 {height} Tm <{line.encode('utf-16-be').hex()}> Tj".encode())
    stream = b"\n".join([*drawn, b"ET"])
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 4 0 R>>>>/Contents 7 0 R>>",
        b"<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UTF16-H/DescendantFonts[5 0 R]>>",
        b"<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/DW 1000/FontDescriptor 6 0 R"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 5>>>>",
        b"<</Type/FontDescriptor/FontName/STSong-Light/Flags 6/FontBBox[-25 -254 1000 880]/ItalicAngle 0"
        b"/Ascent 880/Descent -120/CapHeight 880/StemV 93>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    made = bytearray(b"%PDF-1.5\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(made)
