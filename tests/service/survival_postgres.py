"""Two nodes over one PostgreSQL server, each of which can be killed part by part, and the server as well."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psycopg

from kokuin.ledger.postgres_schema import create
from kokuin.service.initialising import InitRequest, initialise
from tests.postgres import Postgres, make_postgres
from tests.service.survival import Part, Service, SurvivalError, children, wait_until
from tests.service.survival_audit import Audit, check_books, read_books
from tests.service.survival_clients import Clients, Outcome
from tests.service.survival_log import Seen, Shown

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

ROLE = "kokuin_append"
NODES = ("a", "b")
SERVER = "server"
"""What is killed beside a node's parts."""
WARM_UP = 30


@dataclass(slots=True)
class Cluster:
    """A server, a ledger in it, and two nodes that share its order and its log."""

    root: Path
    workers: int = 2
    program: tuple[str, ...] = ()
    """See `Service`."""
    server: Postgres = field(default_factory=make_postgres)
    nodes: dict[str, Service] = field(default_factory=dict)
    shown: Shown = field(default_factory=Shown)
    database: str = ""

    def __enter__(self) -> Self:
        """Start all of it."""
        self.server.start()
        self.database = self.server.database()
        self.server.do(f"CREATE ROLE {ROLE} LOGIN")
        create(self.server.dsn(self.database), ROLE)
        dsn = self.server.dsn(self.database, ROLE)
        first = self.root / NODES[0] / "data"
        for name in NODES:
            folder = self.root / name / "data"
            folder.parent.mkdir()
            join = None if folder == first else first
            initialise(InitRequest(folder, profile="classical", postgres=dsn, node=name, join=join))
            self.nodes[name] = Service(folder, self.workers, program=self.program)
        for node in self.nodes.values():
            node.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running, whatever went wrong."""
        for node in self.nodes.values():
            node.__exit__()
        self.server.remove()

    def audit(self, received: dict[str, bytes]) -> Audit:
        """Check the ledger and both nodes' public files against what clients hold."""
        found, seen = Audit(), [Seen.look(node.folder) for node in self.nodes.values()]
        with psycopg.connect(self.server.dsn(self.database), autocommit=True) as connection:
            connection.execute("SET search_path TO kokuin, public")
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            books = read_books(lambda query: connection.execute(query.encode()).fetchall())
        check_books(found, books, seen, received, self.shown)
        return found

    def wait_ready(self) -> None:
        """Wait until both nodes grant; one that gave up while the server was away is started again."""
        for node in self.nodes.values():
            if node.runs():
                node.wait_ready()
            else:
                node.start()


@dataclass(frozen=True, slots=True)
class Blow:
    """What one blow did: what was killed, what clients met since the last, and each broken promise."""

    number: int
    part: str
    outcomes: Counter[Outcome]
    leaves: int
    violations: tuple[str, ...]


def blows(cluster: Cluster, count: int, chance: random.Random) -> Iterator[Blow]:
    """Kill the nodes' parts and the server in turn under load, and check everything after each."""
    before: Counter[Outcome] = Counter()
    size = 0
    with Clients(cluster.nodes["a"].port, 4) as one, Clients(cluster.nodes["b"].port, 4) as other:
        for number in range(1, count + 1):
            one.wait_granted(WARM_UP)
            other.wait_granted(WARM_UP)
            time.sleep(chance.uniform(0.0, 0.3))
            part = _strike(cluster, number)
            cluster.wait_ready()
            received = {**one.snapshot()[0], **other.snapshot()[0]}
            found = cluster.audit(received)
            found.expect(found.size > size, f"{size} leaves became {found.size}")
            found.expect(not one.wrong + other.wrong, f"clients met {one.wrong[:2]} {other.wrong[:2]}")
            size = found.size
            outcomes = one.snapshot()[1] + other.snapshot()[1]
            yield Blow(number, part, outcomes - before, found.size, tuple(found.violations))
            before = outcomes


def _strike(cluster: Cluster, number: int) -> str:
    if number % 4 == 0:
        cluster.server.kill()
        time.sleep(1.0)
        cluster.server.start()
        return SERVER
    name = NODES[number % 2]
    node, part = cluster.nodes[name], list(Part)[number % 3]
    orphans = children(node.process.pid)
    node.recover(part, node.kill(part), orphans)
    return f"{name}'s {part}"


def ends_refusing(node: Service) -> None:
    """Wait until a node grants nothing any more: it says so, or has ended.

    Raises:
        SurvivalError: it granted a token.
    """

    def over() -> bool:
        outcome = node.stamp().outcome
        if outcome is Outcome.GRANTED:
            raise SurvivalError("a token was granted over a ledger that is behind")
        return not node.runs() or node.readiness()[0] == 503

    wait_until("the node refuses", over)
