"""Small PDFs, made by hand: one font, lines of text from the top of each page, and what a test wants to go wrong."""

import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO

from pypdf import PdfReader, PdfWriter

LEADING = 14


def pdf_of(
    pages: Sequence[Sequence[str]],
    info: Mapping[str, str] | None = None,
    bookmarks: Sequence[tuple[str, int]] = (),
    password: str | None = None,
) -> bytes:
    """A PDF of pages of lines; `bookmarks` are titles and the pages they lead to, from 0."""
    plain = _document([_text(lines) for lines in pages])
    if not (info or bookmarks or password):
        return plain
    writer = PdfWriter(clone_from=PdfReader(BytesIO(plain)))
    if info:
        writer.add_metadata({f"/{name}": value for name, value in info.items()})
    for title, page in bookmarks:
        writer.add_outline_item(title=title, page_number=page)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def image_only() -> bytes:
    """A page with a grey box on it."""
    return _document([b"0.5 g 50 50 400 600 re f"])


def bomb(megabytes: int) -> bytes:
    """A page whose contents are that large, compressed twice, and so a few kilobytes."""
    packer = zlib.compressobj()
    once = b"".join(packer.compress(b" " * 1024 * 1024) for _ in range(megabytes)) + packer.flush()
    return _document([zlib.compress(once)], b" /Filter [/FlateDecode /FlateDecode]")


def loop() -> bytes:
    """A tree of pages that is its own child."""
    return _written(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Parent 2 0 R /Count 1000000 >>",
        ]
    )


def many_pages(count: int) -> bytes:
    """Each page is the same one, so the file stays small."""
    kids = b"[" + b"4 0 R " * count + b"]"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids " + kids + b" /Count " + str(count).encode() + b" >>",
        b"<< >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    ]
    return _written(objects)


def _text(lines: Sequence[str]) -> bytes:
    shown = [b"(" + _escaped(line) + b") Tj T*" for line in lines]
    return b"BT /F1 11 Tf 50 790 Td %d TL " % LEADING + b"\n".join(shown) + b" ET"


def _escaped(line: str) -> bytes:
    return line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _document(contents: Sequence[bytes], packing: bytes = b"") -> bytes:
    numbers = [4 + 2 * index for index in range(len(contents))]
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [" + kids + b"] /Count %d >>" % len(contents),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, content in zip(numbers, contents, strict=True):
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
            b" /Contents %d 0 R >>" % (number + 1),
            b"<< /Length %d%s >>\nstream\n" % (len(content), packing) + content + b"\nendstream",
        ]
    return _written(objects)


def _written(objects: Sequence[bytes]) -> bytes:
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table
    end += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return bytes(out + end)
