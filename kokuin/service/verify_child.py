"""The child that judges what strangers send: it reads what it needs, shuts its doors, then takes questions.

Nothing imports it. Its standard input is its lifeline and a stream of frames (`verify_question`), the first
of which says where the trust store lies. Once the doors are shut it can open no file and no socket, start no
program and hold no more than `MEMORY_OCTETS`: whatever a token makes of its reader, it stays in here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.service.child_frames import read
from kokuin.service.lifeline import watch
from kokuin.service.shut_doors import allow_seconds, place_of, resident_octets, shut_doors
from kokuin.service.verify_codes import VerifyCode, VerifyRefusedError
from kokuin.service.verify_question import Answer, Question

if TYPE_CHECKING:
    from kokuin.service.verify_judging import Bench

MEMORY_OCTETS = 512 << 20
"""Of address space: an empty child has 120 MiB, a judgement wants 64 MiB at most."""
RETIRED_OCTETS = 160 << 20
"""Resident: one that remembers so much from earlier questions ends, so that none pays for another's."""
CPU_SECONDS = 5
"""For one question."""
NICENESS = 10


def main() -> None:
    """Serve one worker until it closes the pipe, or a question breaks this process."""
    watch(sys.stdin.fileno())
    os.nice(NICENESS)
    bench = _prepare()
    if bench is None:
        return
    shut_doors(MEMORY_OCTETS)
    answer = Answer()
    _say(answer)
    while not answer.last and (frame := read(sys.stdin.buffer)) is not None:
        answer = _judge(bench, Question.decode(frame.header, frame.octets))
        _say(answer)


def _prepare() -> Bench | None:
    first = read(sys.stdin.buffer)
    if first is None:
        return None
    from kokuin.service.verify_judging import (  # noqa: PLC0415  # the verifier, under the lifeline's eye
        TrustUnreadableError,
        prepare,
    )

    try:
        return prepare(Path(first.header["trust"]))
    except TrustUnreadableError as error:
        _say(Answer(code=VerifyCode.TRUST_UNREADABLE, detail=repr(error.__cause__), last=True))
    return None


def _judge(bench: Bench, question: Question) -> Answer:
    """Answer one question; the last one when this process had better not see another."""
    allow_seconds(CPU_SECONDS)
    try:
        return Answer(bench.judge(question), last=_remembers_much())
    except VerifyRefusedError as refused:
        return Answer(code=refused.code, field=refused.field, last=_remembers_much())
    except MemoryError:
        return Answer(code=VerifyCode.TOO_COSTLY, last=True)
    except Exception as error:  # noqa: BLE001  # whatever it is, the worker is told, and the log tells a person
        return Answer(code=VerifyCode.FAILED, detail=place_of(error), last=True)


def _remembers_much() -> bool:
    return resident_octets() >= RETIRED_OCTETS


def _say(answer: Answer) -> None:
    sys.stdout.buffer.write(answer.encode())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
