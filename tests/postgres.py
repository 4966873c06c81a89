"""A PostgreSQL server of the tests' own: thrown away at the end, and killed, copied and set back in between.

It is as durable as one in earnest: `fsync` stays on, since durability is what many tests are about.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from tests.peers import absent
from tests.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

OWNER = "postgres"
"""The superuser of every server of the tests."""

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
_SETTINGS = {
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_wal_size": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the data folder: a killed server leaves nothing elsewhere
    "timezone": "UTC",
}


class Postgres:
    """One server over one data folder, on a Unix socket and on a port of 127.0.0.1; both stay when restarted.

    The socket's folder is its user's alone and asks for no password; TCP asks for `password`.

    Attributes:
        root: folder of the server's user, with data, socket and log.
        port: of TCP, and the number in the socket's name.
        password: of the superuser, and of whatever role a test gives it to.
    """

    def __init__(self, root: Path, programs: Path, as_user: Sequence[str]) -> None:
        """Know where; `initialise` or `copy_of` makes the data folder.

        Args:
            root: an empty folder of the server's user.
            programs: folder of `initdb` and `postgres`.
            as_user: words before a command line that make it run as this user.
        """
        self.root = root
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self._programs = programs
        self._as_user = as_user
        self._data = root / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def initialise(self) -> None:
        """Make an empty data folder."""
        secret = self.root / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password, encoding="ascii")
        _give(secret, self.root)
        words = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", f"--username={OWNER}"]
        words += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}"]
        # The smallest segments: a data folder is copied in a moment.
        self._run(str(self._programs / "initdb"), "--wal-segsize=1", *words, str(self._data))

    def copy_of(self, other: Postgres) -> None:
        """Take over a copy of the data folder of another, stopped server."""
        assert not other.running
        self.password = other.password
        self._run("cp", "-a", str(other._data), str(self._data))

    def dsn(self, database: str = "postgres", user: str = OWNER, *, tcp: bool = False) -> str:
        """Return how a client of the tests' user reaches a database, by the socket or by TCP."""
        where = {"host": LOOPBACK, "password": self.password} if tcp else {"host": str(self.root)}
        return make_conninfo("", port=self.port, dbname=database, user=user, **where)

    def database(self, template: str = "template0") -> str:
        """Make a database of its own, empty or as `template` is, and return its name."""
        name = f"t{next(self._numbers)}_{os.getpid()}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def do(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser outside of any transaction, and return its rows."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.root / f".s.PGSQL.{self.port}"

    @property
    def running(self) -> bool:
        """Whether the server's first process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, **settings: str) -> None:
        """Start, recover where the last end was none in order, and wait until clients are let in.

        Args:
            settings: parameters for this run, such as `fsync="off"`.
        """
        listen = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.root),
        }
        chosen = {**_SETTINGS, **listen, **settings}
        words = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        command = [*self._as_user, str(self._programs / "postgres"), "-D", str(self._data), *words]
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.root)
        # However long it recovers: what hangs runs into the suite's time limit.
        while True:
            try:
                psycopg.connect(self.dsn(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if not self.running:
                    raise AssertionError(self.log()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End in order: clients are cut off, and all is brought into the data files."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def kill(self) -> None:
        """End all of the server's processes at once, as a loss of power would."""
        assert self._process is not None
        # Stopped first, so that it makes no new ones meanwhile; a signal that was sent may not have come yet.
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        children = _children(self._process.pid)
        for child in children:
            os.kill(child, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        # One that was writing to the disk dies only after it, and holds the memory that the next start wants.
        while any(map(_lives, children)):
            time.sleep(0.01)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def copy(self) -> Path:
        """Return a copy of the data folder of this stopped server, to be put back with `put`."""
        assert not self.running
        copied = self.root / f"copy-{next(self._numbers)}"
        self._run("cp", "-a", str(self._data), str(copied))
        return copied

    def put(self, copied: Path) -> None:
        """Replace the data folder of this stopped server by a copy; the copy stays for another time."""
        assert not self.running
        shutil.rmtree(self._data)
        self._run("cp", "-a", str(copied), str(self._data))

    def log(self) -> str:
        """Return what the server has said."""
        return (self.root / "log").read_text(encoding="utf-8", errors="replace")

    def remove(self) -> None:
        """End whatever runs and remove every file."""
        if self.running:
            self.kill()
        shutil.rmtree(self.root)

    def _run(self, *command: str) -> None:
        words = [*self._as_user, *command]
        ran = subprocess.run(words, check=False, capture_output=True, text=True, cwd=self.root)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def make_postgres(like: Postgres | None = None) -> Postgres:
    """Make a server that does not run yet, a copy of another where one is given, or say that none is here."""
    programs = _programs()
    # Not below pytest's folders: those are root's alone where root runs the tests, and too long for a socket.
    root = Path(tempfile.mkdtemp(prefix="kokuin-pg-"))
    as_user = _as_unprivileged()
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
    made = Postgres(root, programs, as_user)
    if like is None:
        made.initialise()
    else:
        made.copy_of(like)
    return made


def _programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs; distributions keep them off the search path."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = [folder for place in _PLACES for folder in Path("/").glob(place[1:])]
    found = [folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()]
    if not found:
        absent("peer 'postgresql' is not installed")
    return max(found, key=_version)


def _version(folder: Path) -> int:
    """Return the major version that a folder's path names."""
    digits = [part.rpartition("-")[2].rpartition("@")[2] for part in folder.parts]
    return max((int(part) for part in digits if part.isdigit()), default=0)


def _as_unprivileged() -> list[str]:
    """Return the words that run a command as `nobody`, since PostgreSQL refuses to be root; none for a user.

    The server ends with the process that started it, also when that is killed.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if os.geteuid() == 0:
            absent("peer 'setpriv' is not installed, and PostgreSQL does not run as root")
        return []
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig=INT"]
    nobody = pwd.getpwnam("nobody")
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [setpriv, *ids, "--pdeathsig=INT"]


def _children(parent: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if f"\nPPid:\t{parent}\n" in status.read_text(encoding="utf-8", errors="replace"):
                found.append(int(status.parent.name))
    return found


def _lives(pid: int) -> bool:
    """Whether a process is there and has memory, which one that nobody has buried has not."""
    try:
        return "\nVmSize:" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _give(path: Path, like: Path) -> None:
    """Give a file to the owner of a folder; only root can, and only root needs to."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
