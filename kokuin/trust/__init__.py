"""Judging: anchors, certificates and paths, tokens, Check and Report; record types and the Journal port."""
