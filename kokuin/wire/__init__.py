"""Hostile bytes: bounded pre-scan, BER/DER reading, DER writing, CMS SignedData, strict JSON."""
