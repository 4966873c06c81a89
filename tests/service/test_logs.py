"""Log lines: one JSON object each, none lost when the process ends in any way of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

BEGIN = """
import os, structlog
from kokuin.service.logs import GATHER_LINES, configure_logs
configure_logs("worker-1")
log = structlog.get_logger()
"""


def lines_of(program: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], stderr=subprocess.PIPE, check=False, timeout=30
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_says_what_when_who_and_how_grave() -> None:
    (line,) = lines_of("log.info('tsa.answer', serial='ab', ms=1.5)\nprint(os.getpid())")
    assert line.pop("timestamp").endswith("Z")
    assert isinstance(line.pop("pid"), int)
    assert line == {"event": "tsa.answer", "serial": "ab", "ms": 1.5, "role": "worker-1", "level": "info"}


def test_what_a_logger_is_bound_to_stands_in_each_of_its_lines() -> None:
    lines = lines_of("bound = log.bind(request='r')\nbound.info('a', code='c')\nbound.warning('b')")
    assert [(line["event"], line["request"], line.get("code")) for line in lines] == [
        ("a", "r", "c"),
        ("b", "r", None),
    ]


def test_no_line_is_lost_at_the_end_and_the_order_is_kept() -> None:
    lines = lines_of("for number in range(3 * GATHER_LINES): log.info('n', number=number)")
    assert [line["number"] for line in lines] == list(range(len(lines)))
    assert len(lines) > 4096


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_a_grave_line_is_out_before_the_process_can_die(level: str) -> None:
    lines = lines_of(f"log.info('before')\nlog.{level}('grave')\nos._exit(1)")
    assert [line["event"] for line in lines] == ["before", "grave"]


def test_an_idle_process_does_not_keep_its_last_line() -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + "log.info('last')\ninput()"], stdin=subprocess.PIPE, stderr=writer
    ) as process:
        os.close(writer)
        with os.fdopen(reader) as log:
            assert json.loads(log.readline())["event"] == "last"
        process.communicate(b"\n")


def test_an_exception_is_told_inside_its_line() -> None:
    (line,) = lines_of("try: 1 / 0\nexcept ZeroDivisionError: log.exception('signing.failed')")
    assert "ZeroDivisionError" in line["exception"]
    assert line["level"] == "error"


def test_what_json_does_not_know_is_shown_not_raised() -> None:
    (line,) = lines_of("log.info('odd', value=Exception('x'))")
    assert "Exception" in line["value"]


SHARED = """
import structlog
from kokuin.service.logs import configure_logs, flush_logs
configure_logs("child")
log = structlog.get_logger()
for number in range(2000):
    log.info("a line", number=number, padding="x" * (number % 700))
flush_logs()
"""


def test_processes_that_share_a_log_do_not_cut_each_others_lines() -> None:
    reader, writer = os.pipe()
    command = [sys.executable, "-c", SHARED]
    children = [subprocess.Popen(command, stderr=writer) for _ in range(3)]
    os.close(writer)
    text = b""
    while piece := os.read(reader, 1000):  # a little at a time: the writers stand in a full pipe
        text += piece
        time.sleep(0.0001)
    os.close(reader)
    lines = text.splitlines()
    assert [child.wait(30) for child in children] == [0, 0, 0]
    assert [json.loads(line)["event"] for line in lines] == ["a line"] * 6000
