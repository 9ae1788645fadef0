"""What the fake InfluxDB remembers, and the rules of 2.9.1 it keeps (bridge-facts 2.2, each seen on a running 2.9.1).

In memory, and with a parser of its own: a fake that used ours would share its mistakes. No HTTP here.
"""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field, replace

# A backslash before one of these three hides it; before anything else, another backslash too, it is a letter.
_KEY = r"(?:[^\\, =\n]|\\[, =]|\\(?![, =]))+"
_VALUE = r'(?:-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[iu]?|t|T|true|f|F|false|"(?:[^"\\]|\\.)*")'
_LINE = re.compile(rf"({_KEY})((?:,{_KEY}={_KEY})*) ({_KEY}={_VALUE}(?:,{_KEY}={_VALUE})*)(?: (-?\d+))?")
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_FIELD = re.compile(rf"({_KEY})=({_VALUE})(?:,|$)")
_LIMIT_MS = 9_223_372_036_854

Value = float | int | str | bool


class Refused(Exception):
    """The answer is an error: its status, InfluxDB's code for it, and the message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class PointSeen:
    """One parsed line; ``series`` is measurement and tags as they were written."""

    measurement: str
    series: str
    serial: str
    fields: dict[str, Value]
    at_ms: int


@dataclass
class Bucket:
    """A bucket and its points: (series, milliseconds) to fields, which merge."""

    id: str
    org_id: str
    name: str
    retention_s: int
    shard_s: int
    points: dict[tuple[str, int], dict[str, Value]] = field(default_factory=dict)
    types: dict[tuple[str, str], type] = field(default_factory=dict)

    def store(self, point: PointSeen, now_ms: int) -> str | None:
        """Keep the point, or say why not; InfluxDB keeps the others of the request (422 is a partial write)."""
        if self.retention_s and point.at_ms < now_ms - self.retention_s * 1000:
            return "dropped 1 points outside retention policy"
        for name, value in point.fields.items():
            known = self.types.setdefault((point.measurement, name), type(value))
            if known is not type(value):
                return f'field type conflict: input field "{name}" on measurement "{point.measurement}"'
        self.points.setdefault((point.series, point.at_ms), {}).update(point.fields)
        return None


@dataclass(frozen=True)
class Authorization:
    """A token's rights: pairs of action and bucket id, the latter None for all of the organisation."""

    id: str
    org_id: str
    description: str
    rights: frozenset[tuple[str, str | None]]
    operator: bool = False
    active: bool = True

    def may(self, action: str, bucket: Bucket) -> bool:
        """Whether the token may read or write the bucket."""
        if self.operator:
            return True
        return self.org_id == bucket.org_id and bool(self.rights & {(action, None), (action, bucket.id)})


@dataclass
class State:
    """Organisations, buckets and hashed tokens: like 2.9, it can show a token only when it makes it."""

    user_id: str = field(default_factory=lambda: _new_id())  # noqa: PLW0108  # defined below
    organisations: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    authorizations: dict[str, Authorization] = field(default_factory=dict)

    def authorization(self, token: str) -> Authorization:
        """Who shows this token. 401 for a stranger, 403 for one that is switched off."""
        found = self.authorizations.get(_hashed(token))
        if found is None:
            raise Refused(401, "unauthorized", "unauthorized access")
        if not found.active:
            raise Refused(403, "forbidden", "authorization is inactive")
        return found

    def add_organisation(self, name: str) -> str:
        """422 for a name that is taken."""
        if name in self.organisations.values():
            raise Refused(422, "conflict", f"organization with name {name} already exists")
        org_id = _new_id()
        self.organisations[org_id] = name
        return org_id

    def rename_organisation(self, org_id: str, name: str) -> None:
        """422 for a name that is taken."""
        if name in self.organisations.values():
            raise Refused(422, "conflict", f"organization with name {name} already exists")
        self.organisations[org_id] = name

    def delete_organisation(self, org_id: str) -> None:
        """Its buckets go with it, its tokens stay: as in 2.9.1 they are in no list, and their ids still delete them."""
        del self.organisations[org_id]
        self.buckets = {id_: bucket for id_, bucket in self.buckets.items() if bucket.org_id != org_id}

    def rename_bucket(self, bucket: Bucket, name: str) -> None:
        """422 for a name that another bucket of the organisation has."""
        if any(one.org_id == bucket.org_id and one.name == name and one is not bucket for one in self.buckets.values()):
            raise Refused(422, "conflict", f"bucket with name {name} already exists")
        bucket.name = name

    def add_bucket(self, org_id: str, name: str, retention_s: int, shard_s: int) -> Bucket:
        """422 for a name that is taken, 500 for shards longer than the retention, as in 2.9.1."""
        if org_id not in self.organisations:
            raise Refused(404, "not found", "organization not found")
        if any(bucket.org_id == org_id and bucket.name == name for bucket in self.buckets.values()):
            raise Refused(422, "conflict", f"bucket with name {name} already exists")
        if retention_s and shard_s > retention_s:
            raise Refused(500, "internal error", "retention policy duration must be greater than the shard duration")
        bucket = Bucket(_new_id(), org_id, name, retention_s, shard_s)
        self.buckets[bucket.id] = bucket
        return bucket

    def add_authorization(
        self,
        org_id: str,
        description: str,
        rights: frozenset[tuple[str, str | None]],
        *,
        token: str = "",
        operator: bool = False,
    ) -> tuple[Authorization, str]:
        """The authorization and its token, which only the caller knows from now on."""
        token = token or secrets.token_urlsafe(64)
        made = Authorization(_new_id(), org_id, description, rights, operator)
        self.authorizations[_hashed(token)] = made
        return made, token

    def set_authorization(self, authorization_id: str, *, active: bool) -> Authorization:
        """Switch it on or off; 404 for one that is not there."""
        for hashed, found in self.authorizations.items():
            if found.id == authorization_id:
                changed = self.authorizations[hashed] = replace(found, active=active)
                return changed
        raise Refused(404, "not found", "authorization not found")

    def delete_authorization(self, authorization_id: str) -> None:
        """404 for one that is not there."""
        for hashed, found in self.authorizations.items():
            if found.id == authorization_id:
                del self.authorizations[hashed]
                return
        raise Refused(404, "not found", "authorization not found")

    def write(self, token: str, org_id: str, bucket_id: str, body: bytes, *, nanoseconds: bool = False) -> None:
        """The order of the checks is the server's: 401, 404, 404, 403, 400, 422. Times are kept in milliseconds."""
        who = self.authorization(token)
        if len(org_id) != 16:
            raise Refused(400, "invalid", "id must have a length of 16 bytes")
        if org_id not in self.organisations:
            raise Refused(404, "not found", "organization not found")
        bucket = self.buckets.get(bucket_id)
        if bucket is None or bucket.org_id != org_id:
            raise Refused(404, "not found", f'bucket "{bucket_id}" not found')
        if not who.may("write", bucket):
            raise Refused(403, "forbidden", "insufficient permissions for write")
        now_ms = time.time_ns() // 1_000_000
        points = parsed(body, now_ms, per_ms=1_000_000 if nanoseconds else 1)
        dropped = [why for why in (bucket.store(point, now_ms) for point in points) if why]
        if dropped:
            message = f"failure writing points to database: partial write: {dropped[0]} dropped={len(dropped)}"
            raise Refused(422, "unprocessable entity", message)

    def bucket_to_read(self, token: str, org_id: str, name: str) -> Bucket:
        """A bucket given by name is found only by a token that may read it."""
        who = self.authorization(token)
        for bucket in self.buckets.values():
            if bucket.org_id == org_id and bucket.name == name and who.may("read", bucket):
                return bucket
        raise Refused(404, "not found", f'failed to initialize execute state: could not find bucket "{name}"')


def parsed(body: bytes, now_ms: int, *, per_ms: int = 1) -> list[PointSeen]:
    """All lines, or 400 for the first that is none: nothing of the request is written then.

    Their times are counted in ``per_ms`` to the millisecond.
    """
    points = []
    for line in body.decode(errors="surrogateescape").split("\n"):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Refused(400, "invalid", f"unable to parse '{line[:200]}'")
        measurement, tags, fields, at = match.groups()
        at_ms = int(at) // per_ms if at else now_ms
        values = {_plain(name): _value(text, line) for name, text in _FIELD.findall(fields)}
        if abs(at_ms) > _LIMIT_MS:
            raise Refused(400, "invalid", f"unable to parse '{line[:200]}': time outside range")
        serial = dict(_TAG.findall(tags)).get("serial", "")
        points.append(PointSeen(_plain(measurement), measurement + tags, _plain(serial), values, at_ms))
    return points


def _value(text: str, line: str) -> Value:
    if text[-1] in "iu":
        value: Value = int(text[:-1])
        if abs(int(value)) >= 2**63:
            raise Refused(400, "invalid", f"unable to parse '{line[:200]}': value out of range")
        return value
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text[0] in "tTfF":
        return text[0] in "tT"
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise Refused(400, "invalid", f"unable to parse '{line[:200]}': invalid float")
    return number


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _new_id() -> str:
    return secrets.token_hex(8)
