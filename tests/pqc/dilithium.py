"""dilithium-py, ML-DSA in plain Python, as a peer."""

from __future__ import annotations

from dilithium_py.ml_dsa import ML_DSA_44, ML_DSA_65, ML_DSA_87  # type: ignore[import-untyped]

_SETS = {"ml-dsa-44": ML_DSA_44, "ml-dsa-65": ML_DSA_65, "ml-dsa-87": ML_DSA_87}


class Dilithium:
    """The library under our names."""

    def public(self, algorithm: str, seed: bytes) -> bytes:
        octets: bytes = _SETS[algorithm].key_derive(seed)[0]
        return octets

    def sign(self, algorithm: str, seed: bytes, message: bytes, context: bytes) -> bytes:
        library = _SETS[algorithm]
        octets: bytes = library.sign(library.key_derive(seed)[1], message, ctx=context)
        return octets

    def verify(self, algorithm: str, public: bytes, message: bytes, signature: bytes, context: bytes) -> bool:
        return bool(_SETS[algorithm].verify(public, message, signature, ctx=context))
