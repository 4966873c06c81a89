"""Evidence records (RFC 4998 §3.1) by asn1crypto: what we write is read without any code of ours."""

from __future__ import annotations

from typing import Any, ClassVar

from asn1crypto import algos, cms, core  # type: ignore[import-untyped]


class _Hashes(core.SequenceOf):  # type: ignore[misc]  # an untyped library
    _child_spec = core.OctetString


class _Tree(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Hashes


class _Values(core.SetOf):  # type: ignore[misc]
    _child_spec = core.Any


class _Attribute(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[Any]] = [("type", core.ObjectIdentifier), ("values", _Values)]


class _Attributes(core.SetOf):  # type: ignore[misc]
    _child_spec = _Attribute


class _Stamp(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[Any]] = [
        ("digest", algos.DigestAlgorithm, {"implicit": 0, "optional": True}),
        ("attributes", _Attributes, {"implicit": 1, "optional": True}),
        ("reduced", _Tree, {"implicit": 2, "optional": True}),
        ("time_stamp", cms.ContentInfo),
    ]


class _Chain(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Stamp


class _Chains(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Chain


class _Digests(core.SequenceOf):  # type: ignore[misc]
    _child_spec = algos.DigestAlgorithm


class _Infos(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Attribute


class PeerRecord(core.Sequence):  # type: ignore[misc]
    """EvidenceRecord; `sequence` holds chains of archive time-stamps."""

    _fields: ClassVar[list[Any]] = [
        ("version", core.Integer),
        ("digests", _Digests),
        ("infos", _Infos, {"implicit": 0, "optional": True}),
        ("encryption", core.Sequence, {"implicit": 1, "optional": True}),
        ("sequence", _Chains),
    ]
