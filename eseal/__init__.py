"""Organisation e-seals: PAdES, JAdES and CAdES, made and found; what a seal says is judged like a token."""
