"""``python -m portal.provisioner orphans [remove ID …]``: lists what nobody owns, and deletes what a person names.

Each is looked at again before the question and once more before its deletion: what has got a row meanwhile stays. An
organisation goes with everything in it, and stays where anything in it is somebody's.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select

from portal import audit, orphans
from portal.audit import Action
from portal.provisioner import differences
from portal.provisioner.commands import CannotDo, Tools, opened, said_yes
from portal.provisioner.differences import Inventory, Rows, Stranger
from portal.provisioner.known_rows import known_rows
from portal.provisioner.remains import Remains
from schema.database import reading
from schema.models import Orphan, OrphanKind
from schema.settings import ProvisionerSettings

# Tokens of a deleted organisation are in no list any more, so what is inside goes before what is around it.
_INSIDE_FIRST = (OrphanKind.TOKEN, OrphanKind.BUCKET, OrphanKind.ORGANISATION)


@dataclass(frozen=True, slots=True)
class Doomed:
    """An orphan as it was just seen, with how much goes along with it."""

    server: str
    what: Stranger
    buckets: int = 0
    tokens: int = 0

    @property
    def sentence(self) -> str:
        """For the person who is asked."""
        along = f", with {self.buckets} buckets and {self.tokens} tokens in it" if self._is_organisation else ""
        readings = "" if self.what.kind == OrphanKind.TOKEN else " Its readings go for good."
        return f"{self.what.kind} {self.what.id} ({self.what.name}) on {self.server}{along}.{readings}"

    @property
    def _is_organisation(self) -> bool:
        return self.what.kind == OrphanKind.ORGANISATION


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its words."""
    parser = commands.add_parser("orphans", help="what InfluxDB has under our names and nobody owns")
    parser.set_defaults(act=_list)
    acts = parser.add_subparsers()
    remove = acts.add_parser("remove", help="delete what is named, for good, if it still belongs to nobody")
    remove.add_argument("ids", nargs="+", metavar="ID", help="as the list shows it")
    remove.add_argument("--server", default="", metavar="URL", help="where several servers have something of this id")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(act=_remove)


async def _list(settings: ProvisionerSettings, _: argparse.Namespace) -> int:
    async with opened(settings) as tools, reading(tools.sessions) as session:
        found = (await session.scalars(select(Orphan).order_by(Orphan.first_seen_at, Orphan.external_id))).all()
        why = await orphans.reasons(session, found)
    if not found:
        print("Everything in InfluxDB that bears a name of ours belongs to somebody.")
    for one in found:
        since = f"{one.first_seen_at:%Y-%m-%d %H:%M}Z"
        print(f"{one.external_id}  {one.kind:12}  {since}  {one.server}  {one.name}")
        print(f"    {orphans.SENTENCES[why.get(one.external_id, orphans.Why.UNKNOWN)]}")
    return 0


async def _remove(settings: ProvisionerSettings, chosen: argparse.Namespace) -> int:
    """Raises ``CannotDo`` and ``StoreError``; what was deleted before stays deleted, and is in the audit log."""
    async with opened(settings) as tools:
        named = await _named(tools, chosen.ids, chosen.server)
        doomed = [await still_orphan(tools, one.server, one.kind, one.external_id) for one in named]
        said_yes([one.sentence for one in doomed], meant=chosen.yes)
        for one in sorted(doomed, key=lambda one: _INSIDE_FIRST.index(one.what.kind)):
            await remove(tools, one)
            print(f"{one.what.kind} {one.what.id}: deleted.")
    return 0


async def _named(tools: Tools, ids: Sequence[str], server: str) -> list[Orphan]:
    """Raises ``CannotDo`` where one is not in the list, or in it more than once."""
    wanted = list(dict.fromkeys(ids))
    there = [Orphan.server == server] if server else []
    async with reading(tools.sessions) as session:
        rows = (await session.scalars(select(Orphan).where(Orphan.external_id.in_(wanted), *there))).all()
    for one in wanted:
        places = [row.server for row in rows if row.external_id == one]
        if not places:
            raise CannotDo(f"{one} is not in the list of orphans; nothing was changed.")
        if len(set(places)) > 1:
            raise CannotDo(f"{one} is on several servers; nothing was changed. Say --server: {', '.join(places)}")
    return sorted(rows, key=lambda row: wanted.index(row.external_id))


async def still_orphan(tools: Tools, server: str, kind: OrphanKind, external_id: str) -> Doomed:
    """What it is at this moment. Raises ``CannotDo`` where it is gone, or somebody's; and ``StoreError``."""
    manager = tools.managers.get(server)
    if manager is None:
        raise CannotDo(f"{external_id} is on {server}, which the settings of this process do not name.")
    found = Inventory(await manager.organisations(), await manager.buckets(), await manager.tokens())
    async with reading(tools.sessions) as session:
        rows = await known_rows(session, server)
    for one in differences.strangers(rows, found):
        if (one.kind, one.id) == (kind, external_id):
            return _doomed(server, one, rows, found)
    raise CannotDo(
        f"{kind} {external_id} is no orphan any more: it is gone, or it is somebody's again. It was not touched."
    )


def _doomed(server: str, what: Stranger, rows: Rows, found: Inventory) -> Doomed:
    if what.kind != OrphanKind.ORGANISATION:
        return Doomed(server, what)
    buckets = {one.id for one in found.buckets if one.org_id == what.id}
    tokens = {one.id for one in found.tokens if one.org_id == what.id}
    if (buckets | tokens) & _somebodys(rows):
        raise CannotDo(f"Organisation {what.id} was not touched: something in it belongs to an owner of ours.")
    return Doomed(server, what, len(buckets), len(tokens))


def _somebodys(rows: Rows) -> set[str]:
    """Ids of buckets and tokens that a row names."""
    boxes = rows.boxes.values()
    writers = {token for box in boxes for token in box.writers.values()}
    return ({box.bucket_id for box in boxes} | writers | {home.reader for home in rows.homes.values()}) - {""}


async def remove(tools: Tools, doomed: Doomed) -> None:
    """Looks once more, deletes it, and writes that down. Raises ``CannotDo`` and ``StoreError``."""
    now_it_is = await still_orphan(tools, doomed.server, doomed.what.kind, doomed.what.id)
    what, remains = now_it_is.what, Remains(tools.managers[doomed.server])
    if what.kind == OrphanKind.TOKEN:
        await remains.delete_token(what.id)
    elif what.kind == OrphanKind.BUCKET:
        await remains.delete_bucket(what.id)
    else:
        await remains.delete_organisation(what.id)
    async with tools.sessions.begin() as session:
        listed = (Orphan.server == doomed.server, Orphan.kind == what.kind, Orphan.external_id == what.id)
        await session.execute(delete(Orphan).where(*listed))
        await audit.record(
            session,
            Action.ORPHAN_DELETED,
            subject=f"{what.kind}:{what.id}",
            actor=audit.COMMAND,
            details={"server": doomed.server, "name": what.name, "organisation": what.org_id},
            now=datetime.now(UTC),
        )
