"""`README.txt` of every bundle: how a stranger checks it."""

README = b"""\
Export of an RFC 3161 time-stamp authority's audit ledger (kokuin), bundle format 1
===================================================================================

The ledger is a Merkle tree (RFC 6962, SHA-256). `checkpoint` is a signed note (C2SP tlog-checkpoint): the
log's name, the number N of its leaves, and the tree's root, under two signatures of the log, Ed25519 and
ML-DSA-44. Get the log's two public keys from elsewhere, not from whoever gave you this file.

With the authority's program:   tsa ledger check THIS-FILE --log-key log.vkey

By other means:
 1. Verify both signatures of `checkpoint`.
 2. Go through chunk/000000, chunk/000001, ... A line of `records` is the leaf's index, a space, and the
    leaf, verbatim; its hash is SHA-256(0x00 || leaf). A line of `hashes` is START HEIGHT HASH: the hash
    of the 2^HEIGHT leaves from START on, whose records are not in here.
 3. Put both in order of their starts. Nothing may be missing or overlap from 0 to N. Join neighbours of
    one size with SHA-256(0x01 || left || right), in the end the rest from right to left. The result must
    be the root in `checkpoint`. Then every record in here is the log's, at its index.
 4. A run of records with no hash between them is complete: nothing was left out there.
 5. `tokens` holds the time-stamp tokens (DER, RFC 5652 ContentInfo), one after another in the order of
    their records; `tok` in a leaf is the SHA-256 of its token, without the unsigned attributes that may
    have been added later. Judge a token with any RFC 3161 program and `certificates.pem`.
 6. history/SIZE shows that an earlier checkpoint is a beginning of the same log: lines of a consistency
    proof (RFC 6962 2.1.2) from SIZE to N, an empty line, and that checkpoint. Keep the checkpoint of this
    file: the next export can be checked against it (--since).
 7. stamps/SIZE-K.tst is a time-stamp token over the checkpoint of that SIZE with the log's own two
    signature lines only.

`manifest.json`, this text, and the certificates and revocation data are not covered by the checkpoint.
Nothing in the manifest has to be believed.
"""
"""Octets of the member, the same in every bundle."""
