"""Which orphans are listed. No database, no HTTP."""

from enum import StrEnum

from portal.admin.search import Search


class Kind(StrEnum):
    """What it is in InfluxDB; empty for any."""

    ANY = ""
    ORGANISATION = "organisation"
    BUCKET = "bucket"
    TOKEN = "token"  # noqa: S105  # a kind of thing


class OrphanSearch(Search):
    """``q`` is a part of an id, of a name or of a server's address; the oldest stand first."""

    kind: Kind = Kind.ANY
