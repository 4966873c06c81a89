"""What libraries load only when they first need it, loaded before a process gives up opening files.

Who seals a stranger's document in a process with shut doors calls `prepare` first. It rehearses a seal,
without a key, of documents of either kind, with all that can be seen of one.
"""

from __future__ import annotations

import datetime as dt
import importlib
import io
from typing import TYPE_CHECKING

from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.ttLib.tables._g_l_y_f import Glyph  # type: ignore[import-untyped]
from PIL import Image
from pyhanko.pdf_utils.generic import DictionaryObject, StreamObject
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.signers.cms_embedder import SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from eseal.pdf.appearance import drawn
from eseal.pdf.extending import level_of
from eseal.pdf.orders import VisibleSeal
from eseal.pdf.revision import append_signed, begin_update, sign_field
from eseal.pdf.security_store import add_material
from eseal.values import Material
from kokuin.trust.context import RevocationData

if TYPE_CHECKING:
    from typing import BinaryIO

_TABLES = (
    *("B_A_S_E_", "C_F_F_", "D_S_I_G_", "G_D_E_F_", "G_P_O_S_", "G_S_U_B_", "O_S_2f_2", "V_O_R_G_"),
    *(
        "_c_m_a_p",
        "_c_v_t",
        "_f_p_g_m",
        "_g_a_s_p",
        "_g_l_y_f",
        "_h_d_m_x",
        "_h_e_a_d",
        "_h_h_e_a",
        "_h_m_t_x",
    ),
    *(
        "_k_e_r_n",
        "_l_o_c_a",
        "_m_a_x_p",
        "_m_e_t_a",
        "_n_a_m_e",
        "_p_o_s_t",
        "_p_r_e_p",
        "_v_h_e_a",
        "_v_m_t_x",
    ),
    *("D__e_b_g", "F_F_T_M_", "L_T_S_H_", "T_T_F_A_", "V_D_M_X_", "otConverters", "otTables"),
)
"""Modules of the tables that fonts have."""
_BOX = (0, 0, 200, 80)


def prepare() -> None:
    """Load all that sealing and extending can need; it takes some tenths of a second, once."""
    for name in _TABLES:
        importlib.import_module(f"fontTools.ttLib.tables.{name}")
    for image, font, streams in (("PNG", _font(), True), ("JPEG", None, False)):
        visible = VisibleSeal(1, _BOX, "A", "https://example.org/", _image(image), font)
        _rehearse(_document(streams=streams), visible)


def _rehearse(document: BinaryIO, visible: VisibleSeal) -> None:
    writer = begin_update(document)
    signed = SignatureObject(timestamp=dt.datetime.now(dt.UTC), bytes_reserved=64)
    sign_field(
        writer, SigFieldSpec("A", box=visible.box), SigObjSetup(signed, appearance_setup=drawn(visible))
    )
    add_material(writer, Material((b"certificate",), RevocationData((b"list",), ())))
    append_signed(document, writer, signed)
    level_of(document)


def _document(*, streams: bool) -> BinaryIO:
    """Return a document of one page, with a cross-reference table or with object streams."""
    writer = PdfFileWriter(stream_xrefs=streams)
    content = writer.add_object(StreamObject(stream_data=b""))
    writer.insert_page(PageObject(contents=content, media_box=(0, 0, 200, 80)))
    if streams:
        writer.root["/Extensions"] = writer.add_object(DictionaryObject(), writer.prepare_object_stream())
    octets = io.BytesIO()
    writer.write(octets)
    return octets


def _image(kind: str) -> bytes:
    octets = io.BytesIO()
    Image.new("RGB", (2, 2)).save(octets, kind)
    return octets.getvalue()


def _font() -> bytes:
    """Return a font of one letter and the digits."""
    letters = "A0123456789"
    names = [".notdef", *(f"g{number}" for number in range(len(letters)))]
    builder = FontBuilder(2_048)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(dict(zip(map(ord, letters), names[1:], strict=True)))
    builder.setupGlyf({name: Glyph() for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1024, 0)))
    builder.setupHorizontalHeader(ascent=1_800, descent=-248)
    builder.setupNameTable({"familyName": "Rehearsal", "styleName": "Regular", "psName": "Rehearsal"})
    builder.setupOS2()
    builder.setupPost()
    octets = io.BytesIO()
    builder.save(octets)
    return octets.getvalue()
