"""Documents made to cost whoever seals or extends them: each is refused, or sealed, within bounds."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.profile import Format
from eseal.values import MAX_CMS, MAX_JSON, Level
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.tasks import Act, Task
from tests.eseal.pdf.bombs import BOMBS
from tests.eseal.pdf.handmade import sealed, update
from tests.eseal.pdf.plain import HEADER, make_pdf, pages, stream
from tests.eseal.seeds import cades_seeds, jades_seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.service.eseals.benches import Bench


@dataclass(frozen=True, slots=True)
class WorkBomb:
    """What is done with a bomb.

    Attributes:
        act, form: seal or extend, and which format.
        make: returns it.
        options: of the request.
    """

    act: Act
    form: Format
    make: Callable[[], bytes]
    options: tuple[tuple[str, str], ...] = ()

    async def set_off(self, bench: Bench, octets: bytes) -> tuple[SealCode | None, str]:
        """Have a child seal or extend what was made; return why it did not, and the format's reason."""
        level = Level.B_B if self.act is Act.SEAL else Level.B_LTA
        task = Task(self.act, self.form, level=level, options=dict(self.options))
        try:
            await bench.make(task, octets)
        except SealRefusedError as error:
            return error.code, error.reason
        return None, ""


def page_tree_of_depth() -> bytes:
    """The last page lies beneath five thousand nodes."""
    nodes = [b"<</Type/Pages/Count 1/Kids[%d 0 R]/Parent %d 0 R>>" % (n + 1, n - 1) for n in range(2, 5_000)]
    page = b"<</Type/Page/Parent 4999 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"
    return make_pdf([b"<</Type/Catalog/Pages 2 0 R>>", *nodes, page])


def page_tree_in_a_circle() -> bytes:
    return make_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9/Kids[2 0 R]/Parent 2 0 R>>"])


def page_tree_that_lies() -> bytes:
    return make_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 999999999/Kids[]>>"])


def pages_without_end() -> bytes:
    return pages(5_000)


def _in_a_stream(packed: bytes, count: int, more: bytes = b"") -> bytes:
    """A catalog in an object stream, which a table in a stream leads to."""
    octets = HEADER
    holder = len(octets)
    described = b"/Type/ObjStm/N %d/First 10/Filter/FlateDecode%s" % (count, more)
    octets += b"4 0 obj\n%s\nendobj\n" % stream(packed, described)
    start = len(octets)
    rows = [(0, 0, 65535), (2, 4, 0), (2, 4, 1), (2, 4, 2), (1, holder, 0), (1, start, 0)]
    table = b"".join(bytes((kind,)) + at.to_bytes(4, "big") + by.to_bytes(2, "big") for kind, at, by in rows)
    described = b"/Type/XRef/Size 6/W[1 4 2]/Root 1 0 R"
    octets += b"5 0 obj\n%s\nendobj\n" % stream(table, described)
    return octets + b"startxref\n%d\n%%%%EOF\n" % start


def object_stream_that_unpacks_to_much() -> bytes:
    engine = zlib.compressobj(9)
    block = bytes(1 << 20)
    data = engine.compress(b"1 0 2 40  <</Type/Catalog/Pages 2 0 R>>")
    return _in_a_stream(data + b"".join(engine.compress(block) for _ in range(200)) + engine.flush(), 2)


def object_stream_packed_twice() -> bytes:
    twice = zlib.compress(zlib.compress(bytes(100 << 20), 9), 9)
    return _in_a_stream(twice, 2).replace(b"/Filter/FlateDecode", b"/Filter[/FlateDecode/FlateDecode]", 1)


def object_stream_of_millions() -> bytes:
    numbers = b" ".join(b"%d 0" % number for number in range(1, 1_000_000))
    return _in_a_stream(zlib.compress(numbers), 1_000_000)


def object_stream_within_itself() -> bytes:
    return _in_a_stream(
        zlib.compress(b"1 0 2 40  <</Type/Catalog/Pages 2 0 R>>"), 3, b"/Extends 4 0 R/Length 4 0 R"
    )


def objects_without_end() -> bytes:
    return make_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 0/Kids[]>>", *[b"1"] * 20_000])


def annotations_without_end() -> bytes:
    return pages(page=b"/Annots[" + b"3 0 R " * 1_000_000 + b"]")


def sections_behind_each_other() -> bytes:
    document = sealed()
    for _ in range(900):
        document = update(document, {})
    return document


def _number(digits: int) -> bytes:
    return b'{"a":' + b"9" * digits + b"}"


def _nested_json(count: int) -> bytes:
    return b'{"a":' * count + b"1" + b"}" * count


def _filled(start: bytes, piece: bytes, end: bytes) -> bytes:
    return start + piece * ((MAX_JSON - len(start) - len(end)) // len(piece)) + end


def _with_many_entries() -> bytes:
    document = json.loads(jades_seeds()[1])
    entry = base64.urlsafe_b64encode(b'{"sigTst":{"tstTokens":[{"val":"AA=="}]}}').decode().rstrip("=")
    (signature,) = document.get("signatures", [document])
    signature["header"] = {"etsiU": [entry] * 100_000}
    return json.dumps(document).encode()


def _with_a_deep_entry() -> bytes:
    document = json.loads(jades_seeds()[1])
    entry = base64.urlsafe_b64encode(b'{"a":' * 100_000 + b"1" + b"}" * 100_000).decode().rstrip("=")
    (signature,) = document.get("signatures", [document])
    signature["header"] = {"etsiU": [entry]}
    return json.dumps(document).encode()


def _nested_cms() -> bytes:
    return (b"\x30\x80" * (MAX_CMS // 2))[:MAX_CMS]


def _long_cms() -> bytes:
    return cades_seeds()[0] + bytes(MAX_CMS)


_CANONICAL = (("canonical", "rfc8785"),)
_PDFS = {
    make.__name__: make
    for make in (
        page_tree_of_depth,
        page_tree_in_a_circle,
        page_tree_that_lies,
        pages_without_end,
        object_stream_that_unpacks_to_much,
        object_stream_packed_twice,
        object_stream_of_millions,
        object_stream_within_itself,
        objects_without_end,
        annotations_without_end,
        sections_behind_each_other,
    )
}
_JSONS: dict[str, Callable[[], bytes]] = {
    "number_of_millions_of_digits": lambda: _number(MAX_JSON - 10),
    "number_of_5000_digits": lambda: _number(5_000),
    "exponent_of_thousands": lambda: b'{"a":1e' + b"9" * 10_000 + b"}",
    "objects_in_objects": lambda: _nested_json(1_000_000),
    "arrays_in_arrays": lambda: b"[" * (MAX_JSON // 2) + b"]" * (MAX_JSON // 2),
    "numbers_without_end": lambda: _filled(b"[", b"1.5e300,", b"1]"),
    "names_without_end": lambda: b"{%s}" % b",".join(b'"%d":0' % n for n in range(600_000)),
    "the_same_name_without_end": lambda: _filled(b"{", b'"a":0,', b'"a":1}'),
    "escapes_without_end": lambda: _filled(b'["', b"\\u0001", b'"]'),
    "empty_objects_without_end": lambda: _filled(b"[", b"{},", b"{}]"),
}

_SEALED = (
    "security_store_of_bombs",
    "graph_with_paths_without_number",
    "keywords_without_end",
    "fields_that_are_all_signed",
    "content_of_a_page_that_is_covered",
)
"""Bombs of judging in which there is a seal to be extended."""


def _named(
    act: Act, form: Format, made: Mapping[str, Callable[[], bytes]], options: tuple[tuple[str, str], ...] = ()
) -> dict[str, WorkBomb]:
    how = ", canonical" if options else ""
    return {
        f"{form} to {act}: {name}{how}": WorkBomb(act, form, make, options) for name, make in made.items()
    }


WORK_BOMBS = {
    **_named(Act.SEAL, Format.PDF, _PDFS | BOMBS),
    **_named(Act.EXTEND, Format.PDF, {name: BOMBS[name] for name in _SEALED}),
    **_named(Act.SEAL, Format.JSON, _JSONS),
    **_named(Act.SEAL, Format.JSON, _JSONS, _CANONICAL),
    **_named(
        Act.EXTEND,
        Format.JSON,
        {"entries_without_end": _with_many_entries, "entry_of_depth": _with_a_deep_entry},
    ),
    **_named(
        Act.EXTEND, Format.CADES, {"elements_in_elements": _nested_cms, "zeros_behind_a_seal": _long_cms}
    ),
}
