"""A child that a document took over: it says and asks what no child does. `ROGUE` says which."""

from __future__ import annotations

import os
import signal
import sys
import time

from kokuin.service import child_frames

DONE = {"op": "done", "level": os.environ["ROGUE_LEVEL"], "last": True}


def say(header: dict[str, object], octets: bytes = b"") -> None:
    sys.stdout.buffer.write(child_frames.encode(header, octets))
    sys.stdout.buffer.flush()


def main() -> None:
    say({"op": "ready"})
    child_frames.read(sys.stdin.buffer)
    match os.environ["ROGUE"]:
        case "signs":
            while True:
                say({"op": "sign", "key": 0}, b"pay me")
                child_frames.read(sys.stdin.buffer)
        case "other key":
            say({"op": "sign", "key": 7}, b"pay me")
            child_frames.read(sys.stdin.buffer)
        case "lies":
            say(DONE, b"not a seal")
        case "mutters":
            say({"op": "sing"})
        case "dies":
            os.abort()
        case "dies slowly":
            os.close(sys.stdout.fileno())
            time.sleep(1.5)
            os.kill(os.getpid(), signal.SIGXCPU)
        case "boasts":
            sys.stdout.buffer.write(child_frames.HEAD.pack(1 << 30, 0))
            sys.stdout.buffer.flush()
        case "nests":
            text = b"[" * 500_000
            sys.stdout.buffer.write(child_frames.HEAD.pack(len(text), 0) + text)
            sys.stdout.buffer.flush()
    child_frames.read(sys.stdin.buffer)


if __name__ == "__main__":
    main()
