"""Running a small program with a deadline and a limit on what it may say."""

from __future__ import annotations

import os
import selectors
import subprocess
import time


class RunError(Exception):
    """The program could not be started, failed, was too slow or said too much."""


def run_bounded(command: list[str], deadline: float, limit: int) -> str:
    """Return what `command` prints, and kill it when it is too slow or too loud.

    Args:
        command: program and arguments; no shell reads them.
        deadline: `time.monotonic()` at which patience ends.
        limit: octets of output at most.

    Raises:
        RunError: no output that could be trusted.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise RunError(f"{command[0]}: {error.strerror}") from error
    with process:
        try:
            output = _drain(process, deadline, limit)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise RunError("no answer in time") from error
        finally:
            process.kill()
    text = output.decode("ascii", "replace")
    if code != 0:
        raise RunError(text.strip()[:200] or f"exit status {code}")
    return text


def _drain(process: subprocess.Popen[bytes], deadline: float, limit: int) -> bytes:
    stdout = process.stdout
    assert stdout is not None  # noqa: S101 - stdout=PIPE was asked for; mypy cannot know
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(stdout.fileno(), limit + 1 - len(output))
            if not chunk:
                return output
            output += chunk
            if len(output) > limit:
                raise RunError(f"more than {limit} octets of output")
    raise RunError("no answer in time")
