"""The table of routes and roles, ``route_matrix.txt``, and what the application serves, to be compared with it."""

from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar
from litestar.routes import HTTPRoute

from portal.errors import PROGRAM_PATHS

VISITORS = ("nobody", "alice", "bob", "ines", "rita", "ada", "olga", "key")
SAFE = ("GET", "HEAD")
NO_ENTRY = "-"
_TABLE = Path(__file__).with_name("route_matrix.txt")


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one route: each visitor's answer, and the entry that the act leaves."""

    route: str
    answers: dict[str, str]
    entry: str

    @property
    def method(self) -> str:
        """The first word."""
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path with its places."""
        return self.route.partition(" ")[2]

    @property
    def for_programs(self) -> bool:
        """Whether a bearer token is asked for rather than a cookie."""
        return self.path.startswith(PROGRAM_PATHS)

    @property
    def succeeds_for(self) -> str:
        """The first visitor for whom it works."""
        return next((who for who, answer in self.answers.items() if answer in ("200", "204", "303")), "")


def _rows() -> list[Row]:
    rows = []
    for line in _TABLE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            method, path, *answers, entry = line.split()
            rows.append(Row(f"{method} {path}", dict(zip(VISITORS, answers, strict=True)), entry))
    return rows


ROWS = _rows()


def routes_of(app: Litestar) -> dict[str, set[str]]:
    """Each path of the application with its methods."""
    found: dict[str, set[str]] = {}
    for route in app.routes:
        assert isinstance(route, HTTPRoute), route.path
        found.setdefault(route.path, set()).update(set(route.methods) - {"OPTIONS"})
    return found
