"""Check an export bundle of a kokuin ledger: a second implementation, small enough for an auditor to read.

    python ledger_check.py BUNDLE --log-key log.vkey [--since CHECKPOINT]

Needs Python 3.11, `cryptography` from 48 on and nothing else: copy this file anywhere. It was written from
docs/bundle.md and what that cites (C2SP signed-note, tlog-checkpoint, tlog-cosignature; RFC 6962, RFC 9162)
and not from kokuin's code, so that a mistake in one of the two does not hide in the other.

BUNDLE is taken for hostile. `log.vkey` and CHECKPOINT are yours, of an earlier day or from elsewhere: keys
that come with a bundle prove nothing. Exits with 0 when all holds, 1 when something does not, 2 when it
cannot be known since the checkpoint's origin is none of your keys', 3 when it could not begin. Not judged are
signatures of tokens and stamps, certificates, revocation data, and cosignatures of witnesses.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from array import array
from hashlib import sha3_512, sha256, sha384, sha512
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK, SMALL, LARGE = 512, 1 << 20, 1 << 29  # octets: of the tar's blocks; most of a small and a large member
MAX_RECORDS, MAX_LEAF = 4096, 4096
ED25519, ML_DSA_44 = 1, 6
SEQUENCE, SET, OCTETS, TAG_0, TAG_1 = 0x30, 0x31, 0x04, 0xA0, 0xA1
NUMBER = "(0|[1-9][0-9]{0,18})"


class RefusedError(Exception):
    """Something does not hold; the message says what."""


class UndecidedError(Exception):
    """Nothing is shown to be wrong, and nothing can be known; the message says why."""


def hold(condition: object, what: str) -> None:
    """Refuse unless it is so."""
    if not condition:
        raise RefusedError(what)


def fit(pattern: str, text: str, what: str) -> re.Match[str]:
    """Return the match of the whole text, or refuse."""
    found = re.fullmatch(pattern, text)
    if found is None:
        raise RefusedError(f"{what}: not of its form: {text[:60]!r}")
    return found


class Bundle:
    """The members of the tar from front to back. `name` is of the one that comes, empty after the last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.name, self._size = file, "the start", 0
        self._advance()

    def _advance(self) -> None:
        block = self._exactly(BLOCK)
        if not any(block):
            hold(not any(self._exactly(BLOCK)) and not self._file.read(1), "octets after the end of the tar")
            self.name = ""
            return
        name, size = block[:100].rstrip(b"\x00"), block[124:135]
        hold(re.fullmatch(rb"[\w./-]+ [0-7]{11}", name + b" " + size), f"the header after {self.name}")
        hold(block == self.header(name, size), f"the header of {name.decode()} is not in the one form")
        self.name, self._size = name.decode(), int(size, 8)

    @staticmethod
    def header(name: bytes, size: bytes) -> bytes:
        """Return the only header that a member may have: POSIX ustar, mode 0644, all else zero."""
        numbers = b"0000644\x00", b"0000000\x00" * 2, size + b"\x00", b"0" * 11 + b"\x00"
        before = name.ljust(100, b"\x00") + b"".join(numbers)
        after = (b"0" + bytes(100) + b"ustar\x0000").ljust(356, b"\x00")
        return before + b"%06o\x00 " % (sum(before + after) + 8 * ord(" ")) + after

    def _exactly(self, count: int) -> bytes:
        octets = self._file.read(count)
        hold(len(octets) == count, f"the file is cut within or after {self.name}")
        return octets

    def read(self, name: str, most: int = SMALL) -> bytes:
        """Return the member that must come now, and go on to the next."""
        hold(self.name == name, f"{self.name or 'the end'} stands where {name} should")
        hold(self._size <= most, f"{name} is too large")
        octets = self._exactly(self._size)
        hold(not any(self._exactly(-self._size % BLOCK)), f"octets after {name}")
        self._advance()
        return octets

    def lines(self, name: str) -> list[str]:
        """Return the lines of the member that must come now."""
        *lines, rest = self.read(name, LARGE).decode("utf-8", "surrogateescape").split("\n")
        hold(not rest, f"{name} is cut")
        return lines


class Value(NamedTuple):
    """A value in DER: its tag, all its octets, its content."""

    tag: int
    octets: bytes
    content: bytes


def der_length(size: int) -> bytes:
    """Return a length in DER."""
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((size,)) if size < 0x80 else bytes((0x80 | len(octets),)) + octets


def der(tag: int, *parts: bytes) -> bytes:
    """Return a value in DER."""
    content = b"".join(parts)
    return bytes((tag,)) + der_length(len(content)) + content


def values(octets: bytes, *tags: int) -> list[Value]:
    """Return the values that stand side by side, the first of these tags (0 is any)."""
    found, at = [], 0
    while at < len(octets):
        first = octets[at + 1 : at + 2]
        start = at + 2 + (first[0] & 0x7F if first > b"\x80" else 0)
        size = int.from_bytes(octets[at + 2 : start] or first)
        stop = start + size
        hold(octets[at + 1 : start] == der_length(size) and stop <= len(octets), "a token is no DER")
        found.append(Value(octets[at], octets[at:stop], octets[start:stop]))
        at = stop
    fits = all(tag in (0, each.tag) for tag, each in zip(tags, found, strict=False))
    hold(fits and len(found) >= len(tags), "a token has other fields than RFC 5652 says")
    return found


def open_token(token: bytes) -> tuple[bytes, bytes]:
    """Return a token with the whole unsignedAttrs of its signers absent (RFC 5652 §5.3), and its TSTInfo."""
    kind, wrapped = values(values(token, SEQUENCE)[0].content, 0, TAG_0)[:2]
    body = values(values(wrapped.content, SEQUENCE)[0].content, 0, SET, SEQUENCE, 0)
    info = values(values(body[2].content, 0, TAG_0)[1].content, OCTETS)[0].content
    head = [each.octets for each in body[:-1]]

    def joined(*, bare: bool) -> bytes:
        signers = []
        for signer in values(body[-1].content, SEQUENCE):
            found = values(signer.content, 0, 0, SEQUENCE)
            signers.append(der(SEQUENCE, *(each.octets for each in found if each.tag != TAG_1 or not bare)))
        return der(SEQUENCE, kind.octets, der(TAG_0, der(SEQUENCE, *head, der(SET, *signers))))

    hold(
        joined(bare=False) == token, "a token has more than is looked at here"
    )  # else it would be normalised
    return joined(bare=True), info


def unbase64(text: str) -> bytes:
    """Return the octets of base64 in its one form."""
    try:
        octets = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise RefusedError(f"no base64: {text[:60]!r}") from error
    hold(base64.b64encode(octets).decode() == text, f"no base64: {text[:60]!r}")
    return octets


class Key(NamedTuple):
    """A key of a log (C2SP signed-note, verifier keys)."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four octets by which a signature line names it."""
        return sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public).digest()[:4]

    def verifies(self, text: bytes, signature: bytes, size: int, root: bytes) -> bool:
        """Verify the log's signature over the text, or over its cosigned_message (C2SP tlog-cosignature)."""
        name = bytes((len(self.name.encode()),)) + self.name.encode()
        time, rest = signature[:8], signature[8:]
        message = b"subtree/v1\n\x00" + name + time + name + bytes(8) + size.to_bytes(8) + root
        try:
            if self.kind == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(rest, message)
        except (InvalidSignature, ValueError):
            return False
        return self.kind == ED25519 or time < b"\x80"


Keys = dict[str, list[Key]]


def read_keys(text: str) -> Keys:
    """Return the keys by origin. Raises ValueError or RefusedError when the file is not what it should be."""
    keys: Keys = {}
    for line in text.splitlines():
        name, key_id, material = line.split("+", 2)
        octets = unbase64(material)
        key = Key(name, octets[0], octets[1:])
        hold(key.key_id.hex() == key_id and len(name.encode()) < 256, f"a verifier key of {name}: its id")
        keys.setdefault(name, []).append(key)
    pairs = all(sorted(key.kind for key in each) == [ED25519, ML_DSA_44] for each in keys.values())
    hold(keys and pairs, "every log needs one Ed25519 and one ML-DSA-44 key")
    return keys


class Checkpoint(NamedTuple):
    """A checkpoint that both keys of its log signed; `stamped` is the note without lines of others."""

    origin: str
    size: int
    root: bytes
    stamped: bytes
    others: int


def read_checkpoint(octets: bytes, keys: Keys) -> Checkpoint:
    """Verify a signed checkpoint (C2SP tlog-checkpoint); it has no extension lines."""
    text, _, lines = octets.decode("utf-8", "replace").rpartition("\n\n")
    form = fit(rf"([^\x00-\x1f]+)\n{NUMBER}\n([A-Za-z0-9+/]+=)", text, "checkpoint")
    origin, size, root = form[1], int(form[2]), unbase64(form[3])
    if origin not in keys:
        raise UndecidedError(
            f"the checkpoint is signed by {origin!r}, whose keys your file lacks: get the newer log.vkey"
        )
    hold(len(root) == 32 and lines.endswith("\n"), f"checkpoint {size} is cut")
    own: dict[Key, str] = {}
    for line in lines[:-1].split("\n"):
        name, signature = fit(r"— ([^\s+\x00-\x1f]+) ([^ ]+)", line, f"line of {size}").groups()
        raw = unbase64(signature)
        hold(len(raw) > 4, f"checkpoint {size}: a signature is cut")
        for key in keys[origin]:
            if (key.name, key.key_id) == (name, raw[:4]):
                good = key.verifies(f"{text}\n".encode(), raw[4:], size, root)
                hold(good and key not in own, f"checkpoint {size}: wrong signature of type {key.kind:#04x}")
                own[key] = line + "\n"
    hold(len(own) == len(keys[origin]), f"checkpoint {size} is not signed by both keys of its log")
    stamped = f"{text}\n\n{''.join(own.values())}".encode()
    return Checkpoint(origin, size, root, stamped, lines.count("\n") - len(own))


def node(left: bytes, right: bytes, new: Callable[..., Any] = sha256) -> bytes:
    """RFC 6962 §2.1."""
    return bytes(new(b"\x01" + left + right).digest())


class Tree:
    """Full subtrees, from left to right, become a root (RFC 6962 §2.1)."""

    def __init__(self, new: Callable[..., Any] = sha256) -> None:
        self.new, self.size = new, 0
        self._peaks: list[tuple[int, bytes]] = []

    def push(self, start: int, digest: bytes, height: int = 0) -> None:
        """Add the subtree of 2^height leaves from `start` on."""
        fits = start == self.size and start % (1 << height) == 0
        hold(fits, f"a hash or record of index {start} and height {height} cannot stand at {self.size}")
        self.size += 1 << height
        while self._peaks and self._peaks[-1][0] == height:
            digest, height = node(self._peaks.pop()[1], digest, self.new), height + 1
        self._peaks.append((height, digest))

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return bytes(self.new().digest())
        *rest, (_, digest) = self._peaks
        for _, peak in reversed(rest):
            digest = node(peak, digest, self.new)
        return digest


def follows(old: Checkpoint, new: Checkpoint, path: list[bytes]) -> bool:
    """Tell whether a proof shows that the new tree begins with the old one (RFC 9162 §2.1.4.2)."""
    if not 0 < old.size < new.size or not path:
        return False
    if old.size & (old.size - 1) == 0:
        path = [old.root, *path]
    first, second = old.size - 1, new.size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    old_root = new_root = path[0]
    for digest in path[1:]:
        if not second:
            return False
        if first & 1 or first == second:
            old_root, new_root = node(digest, old_root), node(digest, new_root)
            while first and not first & 1:
                first, second = first >> 1, second >> 1
        else:
            new_root = node(new_root, digest)
        first, second = first >> 1, second >> 1
    return (old_root, new_root, second) == (old.root, new.root, 0)


class Audit:
    """A bundle read from front to back, and what was counted."""

    def __init__(self, bundle: Bundle, keys: Keys, since: Checkpoint | None) -> None:
        self._bundle, self._keys, self._since = bundle, keys, since
        self._tree, self._at, self._serials, self._since_root = Tree(), 0, array("Q"), b""
        self.history: dict[int, Checkpoint] = {}
        self.seals: list[tuple[int, dict[str, Any]]] = []
        self._opened: tuple[int, Any] = 0, 1
        self.runs: list[list[int]] = []
        self.records = self.tokens = self.stamps = 0

    def run(self) -> Checkpoint:
        """Check everything and return the bundle's checkpoint."""
        bundle, tree = self._bundle, self._tree
        bundle.read("README.txt")
        bundle.read("manifest.json")
        head = read_checkpoint(bundle.read("checkpoint"), self._keys)
        self._read_history(head)
        self._read_stamps()
        bundle.read("certificates.pem", LARGE)
        bundle.read("revocation.pem", LARGE)
        chunk = 0
        while bundle.name:
            self._read_chunk(f"chunk/{chunk:06d}")
            chunk += 1
        hold(tree.size == head.size, f"{tree.size} leaves are here, the checkpoint is of {head.size}")
        hold(tree.root() == head.root, "hashes and records have another root than the checkpoint")
        serials = sorted(self._serials)
        hold(all(a != b for a, b in pairwise(serials)), "a serial number stands twice")
        self._compare_since(head)
        return head

    def _read_history(self, head: Checkpoint) -> None:
        while self._bundle.name.startswith("history/"):
            name = self._bundle.name
            proof, _, note = self._bundle.read(name).partition(b"\n\n")
            old = read_checkpoint(note, self._keys)
            path = [unbase64(line) for line in proof.decode("ascii", "replace").split("\n")]
            in_order = old.size > max(self.history, default=0)
            hold(name == f"history/{old.size:020d}" and in_order, f"{name}: its place")
            hold(all(len(each) == 32 for each in path), f"{name}: a hash is cut")
            hold(follows(old, head, path), f"{name}: the tree does not begin with it")
            self.history[old.size] = old
        self.history[head.size] = head

    def _read_stamps(self) -> None:
        last = (0, 0)
        while (name := self._bundle.name).startswith("stamps/"):
            size, number = map(int, fit(r"stamps/([0-9]{20})-([0-9]+)\.tst", name, "stamp").groups())
            hold(size in self.history and (size, number) >= last, f"{name}: its place")
            info, stamped = open_token(self._bundle.read(name))[1], self.history[size].stamped
            imprinted = any(digest(stamped).digest() in info for digest in (sha256, sha384, sha512))
            hold(imprinted, f"{name} stamps something else")
            self.stamps, last = self.stamps + 1, (size, number + 1)

    def _read_chunk(self, name: str) -> None:
        hashes, issued = self._bundle.lines(f"{name}/hashes")[::-1], []
        records = self._bundle.lines(f"{name}/records")
        hold(len(records) <= MAX_RECORDS, f"{name} has too many records")
        for line in records:
            number, leaf = fit(rf"{NUMBER} (.+)", line, f"{name}/records").groups()
            while hashes and self._tree.size < int(number):
                self._push_hash(hashes.pop())
            issued += self._record(int(number), leaf)
        trailing = bool(hashes)
        while hashes:
            self._push_hash(hashes.pop())
        self._match_tokens(f"{name}/tokens", issued)
        hold(not trailing or not self._bundle.name, f"{name} ends with hashes, and another chunk follows")

    def _push_hash(self, line: str) -> None:
        start, height, digest = fit(f"{NUMBER} ([0-9]|[1-5][0-9]) ([0-9a-f]{{64}})", line, "hash").groups()
        self._push(int(start), bytes.fromhex(digest), int(height))

    def _push(self, start: int, digest: bytes, height: int = 0) -> None:
        self._tree.push(start, digest, height)
        if self._since is not None and self._since.size == self._tree.size:
            self._since_root = self._tree.root()

    def _record(self, index: int, line: str) -> list[dict[str, Any]]:
        """Take a record; return it when it names a token."""
        octets = line.encode("utf-8", "surrogateescape")
        self._push(index, sha256(b"\x00" + octets).digest())
        if self.runs and self.runs[-1][1] == index:
            self.runs[-1][1] += 1
        else:
            self.runs.append([index, index + 1])
        leaf = read_leaf(index, octets)
        hold(leaf["at"] >= self._at, f"record {index} is older than the one before it")
        self._at, self.records = leaf["at"], self.records + 1
        if leaf.get("kind") == "epoch.opened":
            self._opened = index, leaf.get("epoch")
        elif leaf.get("kind") == "epoch.sealed":
            self._seal(index, leaf)
        if "serial" in leaf:
            # 64 bits of each: memory stays small, and two that collide are refused, never let pass.
            self._serials.append(int.from_bytes(sha256(leaf["serial"].encode()).digest()[:8]))
        return [{**leaf, "index": index}] if "tok" in leaf else []

    def _match_tokens(self, name: str, issued: list[dict[str, Any]]) -> None:
        waiting = issued[::-1]
        for token in values(self._bundle.read(name, LARGE)):
            bare, info = open_token(token.octets)
            while waiting and waiting[-1]["tok"] != sha256(bare).hexdigest():
                self._without_token(waiting.pop())
            hold(waiting, f"{name}: a token that no record names there")
            leaf = waiting.pop()
            own = {"tok512": sha512(bare), "tst": sha256(info), "tst512": sha512(info)}
            wrong = [
                field
                for field, value in own.items()
                if leaf.get(field, value.hexdigest()) != value.hexdigest()
            ]
            hold(not wrong, f"record {leaf['index']}: its token has another {', '.join(wrong)}")
            self.tokens += 1
        for leaf in waiting:
            self._without_token(leaf)

    def _without_token(self, leaf: dict[str, Any]) -> None:
        hold(leaf.get("kind") != "tst.issued", f"record {leaf['index']}: its token is missing, or another")

    def _seal(self, index: int, leaf: dict[str, Any]) -> None:
        """Take the seal of an epoch: it goes on where the one before it ended, unless that may be missing."""
        epoch, first, size = (leaf.get(name) for name in ("epoch", "first", "size"))
        if type(epoch) is not int or type(first) is not int or type(size) is not int:
            raise RefusedError(f"record {index} seals no leaves")
        hold(0 <= first < size <= index, f"record {index} seals leaves {first} to {size}")
        last, before = self.seals[-1] if self.seals else (0, {"epoch": 0, "first": 0, "size": 0})
        hold(epoch >= max(before["epoch"], 1), f"record {index} seals epoch {epoch}")
        opened, within = self._opened
        later = self.runs[-1][0] <= opened and type(within) is int and epoch > within
        hold(not later, f"record {index} seals epoch {epoch} within {within}")
        # Two nodes may have sealed one epoch, each from its first leaf.
        begins = before["first"] if epoch == before["epoch"] else before["size"]
        unknown = self.runs[-1][0] > last
        hold(unknown or first == begins, f"record {index} seals from leaf {first} on instead of {begins}")
        self.seals.append((index, leaf))

    def _compare_since(self, head: Checkpoint) -> None:
        """Hold the auditor's own checkpoint against the tree."""
        since = self._since
        if since is None or not since.size:
            return
        hold(
            since.size <= head.size, f"the bundle ends at {head.size}, before your checkpoint of {since.size}"
        )
        known = self.history.get(since.size)
        root = known.root if known else self._since_root
        hold(root, f"the bundle does not show how the tree was at {since.size}")
        hold(root == since.root, f"the tree of {since.size} is another than in your checkpoint")


def check_seals(bundle: Bundle, seals: list[tuple[int, dict[str, Any]]]) -> int:
    """Go through the records once more; return how many seals have the roots of the leaves that they seal.

    The roots are RFC 6962's with other hashes. A seal is passed over when its leaves are not all here.
    """
    at: dict[int, dict[int, list[tuple[int, dict[str, Any]]]]] = {}
    for index, leaf in seals:
        at.setdefault(leaf["first"], {}).setdefault(leaf["size"], []).append((index, leaf))
    ends = {first: max(sizes) for first, sizes in at.items()}
    growing: dict[int, dict[str, Tree]] = {}
    held = 0
    while name := bundle.name:
        for line in bundle.lines(name) if name.endswith("/records") else bundle.read(name, LARGE)[:0]:
            number, _, octets = str(line).partition(" ")
            stop = int(number) + 1
            growing = {first: trees for first, trees in growing.items() if ends[first] >= stop}
            if stop - 1 in at:
                growing[stop - 1] = {"sha512": Tree(sha512), "sha3_512": Tree(sha3_512)}
            hold(len(growing) < 3, "the seals of more than two epochs overlap")
            for first, trees in growing.items():
                for tree in trees.values():
                    if first + tree.size == stop - 1:
                        hashed = tree.new(b"\x00" + octets.encode("utf-8", "surrogateescape"))
                        tree.push(tree.size, hashed.digest())
                whole = trees["sha512"].size == stop - first
                for index, leaf in at[first].get(stop, []) if whole else []:
                    same = all(leaf.get(field) == tree.root().hex() for field, tree in trees.items())
                    hold(same, f"record {index} seals its epoch with other roots than its leaves have")
                    held += 1
    return held


def read_leaf(index: int, octets: bytes) -> dict[str, Any]:
    """Return the fields of a record; those that are looked at have their types."""
    try:
        pairs = json.loads(octets, object_pairs_hook=list)
        leaf = dict(pairs)
    except (ValueError, TypeError, RecursionError) as error:
        raise RefusedError(f"record {index} is no JSON object") from error
    one_form = len(leaf) == len(pairs) and len(octets) <= MAX_LEAF
    hold(one_form and type(leaf.get("at")) is int, f"record {index}: length, a field twice, or no time")
    hold(re.fullmatch("[0-9a-f]{1,64}", str(leaf.get("serial", 0))), f"record {index}: serial number")
    hold(
        leaf.get("kind") != "tst.issued" or {"serial", "tok", "tok512"} <= leaf.keys(),
        f"record {index}: fields",
    )
    return leaf


def main() -> int:
    """Check the bundle that the arguments name, and print the verdict."""
    parser = argparse.ArgumentParser(
        description="Check an export bundle of a kokuin ledger.",
        epilog="Exits with 0 when all holds, 1 when something does not, 2 when it cannot be known since the"
        " checkpoint's origin is none of your keys', 3 when it could not begin.",
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--log-key", type=Path, required=True, help="verifier keys of the log: log.vkey")
    parser.add_argument("--since", type=Path, help="a checkpoint of this log that you kept")
    parser.error = unusable  # type: ignore[method-assign, assignment]
    given = parser.parse_args()
    try:
        keys = read_keys(given.log_key.read_text(encoding="utf-8"))
        since = read_checkpoint(given.since.read_bytes(), keys) if given.since else None
        file = given.bundle.open("rb")
    except (OSError, ValueError, IndexError, RefusedError, UndecidedError) as error:
        unusable(str(error))
    try:
        with file:
            audit = Audit(Bundle(file), keys, since)
            head = audit.run()
            file.seek(0)
            held = check_seals(Bundle(file), audit.seals) if audit.seals else 0
    except RefusedError as error:
        print(f"FAILED: {error}")
        return 1
    except UndecidedError as error:
        print(f"INDETERMINATE: {error}")
        return 2
    runs = [f"{start}-{stop - 1}" for start, stop in audit.runs]
    print(f"PASSED: {head.origin}, size {head.size}, root {head.root.hex()}, signed by both keys of the log")
    print(f"records: {audit.records}, {audit.tokens} of them with their tokens")
    print(f"complete: {', '.join(runs[:20])}{f' and {len(runs) - 20} runs more' if runs[20:] else ''}")
    print(f"this tree continues {len(audit.history) - 1} earlier checkpoints{' and yours' if since else ''}")
    if audit.seals:
        print(f"seals of epochs: {held} of {len(audit.seals)} compared with the leaves that they seal")
    print(f"not judged: signatures of tokens and {audit.stamps} stamps, {head.others} lines of others")
    return 0


def unusable(reason: str) -> NoReturn:
    """End: it could not begin."""
    print(reason, file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    sys.exit(main())
