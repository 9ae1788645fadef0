"""``python -m portal.provisioner move [OWNER [SERVER]]``: has an owner moved to another InfluxDB server, and shows how
far he is.

The command writes down what is wanted; the provisioner that runs does it. So the command may be stopped at any moment,
and given again to look on.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.capacity import buckets_of, used_buckets
from portal.provisioner import move
from portal.provisioner.commands import CannotDo, Tools, opened
from schema.changes import registry_changed
from schema.database import reading
from schema.influx_servers import address
from schema.models import Account, Grant, Inverter, InverterMove, MoveState, MoveWish, OwnerMove, OwnerPlacement, Role
from schema.models import PlacementState as State
from schema.settings import ProvisionerSettings

LOOK_EVERY_S = 0.5
SILENCE_S = 30.0
SENTENCES = {
    MoveState.PREPARING: "making the second place",
    MoveState.COPYING: "copying",
    MoveState.FINISHING: "comparing; new readings wait in the bridge's spool",
    MoveState.SWITCHED: "on the new server, looking for latecomers",
    MoveState.DONE: "moved",
    MoveState.CANCELLED: "called off",
}

Ended = Callable[[OwnerMove], bool]


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its words."""
    parser = commands.add_parser("move", help="move an owner to another InfluxDB server; alone: who is on the move")
    parser.add_argument("owner", nargs="?", metavar="OWNER", help="his e-mail address or id; alone: look on")
    parser.add_argument("server", nargs="?", metavar="SERVER", help="its address, as INFLUX_SERVERS has it")
    parser.add_argument("--cancel", action="store_true", help="stay where he is, and remove what was copied")
    parser.add_argument("--clean", action="store_true", help="remove the old copy now, not after a week")
    parser.add_argument("--no-wait", action="store_true", help="do not look on")
    parser.set_defaults(act=_move)


async def _move(settings: ProvisionerSettings, chosen: argparse.Namespace) -> int:
    """Raises ``CannotDo``."""
    async with opened(settings) as tools:
        if not chosen.owner:
            return await _list(tools)
        owner_id = await _owner(tools, chosen.owner)
        if sum((chosen.cancel, chosen.clean, bool(chosen.server))) > 1:
            raise CannotDo("One thing at a time: a server, --cancel or --clean.")
        ended = _is_over
        if chosen.cancel:
            await call_off(tools, owner_id)
        elif chosen.clean:
            await clean(tools, owner_id)
            ended = _is_clean
        elif chosen.server:
            capacities = {one.url: one.capacity_buckets for one in settings.servers}
            await begin(tools, owner_id, _named(chosen.server, capacities), capacities)
        return 0 if chosen.no_wait else await _look_on(tools, owner_id, ended)


def _named(server: str, capacities: dict[str, int]) -> str:
    """The server's address as ours are written. Raises ``CannotDo``."""
    try:
        url = address(server)
    except ValueError as error:
        raise CannotDo(f"{error}.") from error
    if url not in capacities:
        known = ", ".join(capacities) or "none"
        raise CannotDo(f"{url} is no InfluxDB server of this installation ({known}). Add it to INFLUX_SERVERS first.")
    return url


async def begin(tools: Tools, owner_id: UUID, server: str, capacities: dict[str, int]) -> None:
    """Write the wish down. Raises ``CannotDo`` where he is there already, moves already, or there is no room."""
    now = datetime.now(UTC)
    async with tools.sessions.begin() as session:
        await registry_changed(session, owner_id=owner_id)
        home, row = await session.get(OwnerPlacement, owner_id), await session.get(OwnerMove, owner_id)
        if home is None or home.state != State.READY:
            raise CannotDo("His place is not ready (/admin/jobs says why): nothing was changed.")
        if row is not None and (row.state not in move.OVER or row.org_id):
            raise CannotDo(f"{_sentence(row, 0, 0)}: end that first, with --cancel or --clean. Nothing was changed.")
        if home.server == server:
            raise CannotDo("He is there already.")
        used, need = (await used_buckets(session))[server], await buckets_of(session, owner_id)
        if used + need > capacities[server]:
            why = f"{server} has {used} of {capacities[server]} buckets, he has {need}"
            raise CannotDo(f"There is no room: {why}. Nothing was changed (docs/capacity.md).")
        if row is None:
            row = OwnerMove(owner_id=owner_id, started_at=now)
            session.add(row)
        row.server, row.state, row.wish, row.last_error = server, MoveState.PREPARING, MoveWish.NONE, ""
        row.started_at = row.updated_at = now
        details = {"before": home.server, "after": server}
        await _note(session, Action.OWNER_MOVE_ASKED, owner_id, now, details)


async def call_off(tools: Tools, owner_id: UUID) -> None:
    """Raises ``CannotDo`` where it is too late."""
    if not await _wish(tools, owner_id, MoveWish.CANCEL, move.BEFORE_SWITCH):
        raise CannotDo("Nothing can be called off: he is not on the move, or on the new server already.")


async def clean(tools: Tools, owner_id: UUID) -> None:
    """Raises ``CannotDo`` where there is no old copy."""
    if not await _wish(tools, owner_id, MoveWish.CLEAN, (MoveState.SWITCHED, MoveState.DONE)):
        raise CannotDo("There is nothing to clean: he is not on the new server yet, or no old copy is left.")


async def _wish(tools: Tools, owner_id: UUID, wish: MoveWish, states: tuple[MoveState, ...]) -> bool:
    now = datetime.now(UTC)
    async with tools.sessions.begin() as session:
        await registry_changed(session, owner_id=owner_id)
        row = await session.get(OwnerMove, owner_id)
        if row is None or row.state not in states or (wish == MoveWish.CLEAN and not row.org_id):
            return False
        row.wish = wish
        await _note(session, Action.OWNER_MOVE_ASKED, owner_id, now, {"wish": wish.value})
    return True


async def _note(
    session: AsyncSession, action: Action, owner_id: UUID, now: datetime, details: Mapping[str, audit.Detail]
) -> None:
    subject = f"owner:{owner_id}"
    await audit.record(
        session, action, subject=subject, actor=audit.COMMAND, owner_id=owner_id, details=details, now=now
    )


async def _owner(tools: Tools, named: str) -> UUID:
    """Raises ``CannotDo`` where nobody, or more than one, is meant."""
    try:
        owner_id = UUID(named)
    except ValueError:
        owners = select(Grant.owner_id).join(Account, Account.id == Grant.account_id).where(Grant.role == Role.OWNER)
        async with reading(tools.sessions) as session:
            email = func.lower(Account.email) == named.strip().lower()
            found = (await session.scalars(owners.where(email).order_by(Grant.owner_id))).all()
        if len(found) > 1:
            mine = ", ".join(str(one) for one in found)
            raise CannotDo(f"{named} has several installations; say which by its id: {mine}") from None
        if not found:
            raise CannotDo(f"{named} owns no installation.") from None
        owner_id = found[0]
    return owner_id


async def _list(tools: Tools) -> int:
    async with reading(tools.sessions) as session:
        rows = (await session.scalars(select(OwnerMove).order_by(OwnerMove.started_at))).all()
    if not rows:
        print("Nobody moves, and nobody has moved.")
    for row in rows:
        print(f"{row.owner_id}  {row.server}  since {row.updated_at:%Y-%m-%d %H:%M}Z  {_sentence(row, 0, 0)}")
    return 0


def _is_over(row: OwnerMove) -> bool:
    return row.state == MoveState.DONE or (row.state == MoveState.CANCELLED and not row.org_id)


def _is_clean(row: OwnerMove) -> bool:
    return row.state in move.OVER and not row.org_id


async def _look_on(tools: Tools, owner_id: UUID, ended: Ended) -> int:
    """Print each news until the end of it: 0 where he has moved, or what was wanted is done."""
    said, since = "", time.monotonic()
    while True:
        async with reading(tools.sessions) as session:
            row = await session.get(OwnerMove, owner_id)
            progress = await session.execute(_progress(owner_id))
        if row is None:
            raise CannotDo("He is not on the move.")
        points, total = progress.one()
        sentence = _sentence(row, points or 0, total or 0)
        if sentence != said:
            print(sentence, flush=True)
            said, since = sentence, time.monotonic()
        if ended(row):
            return 0
        if time.monotonic() - since > SILENCE_S and row.state in move.BEFORE_SWITCH:
            print("Nothing new for a while. Does the provisioner run? It goes on where it is; look again at any time.")
            since = time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)


def _progress(owner_id: UUID) -> Select[int, int]:
    mine = select(func.sum(InverterMove.points), func.sum(InverterMove.total))
    return mine.join(Inverter, Inverter.id == InverterMove.inverter_id).where(Inverter.owner_id == owner_id)


def _sentence(row: OwnerMove, points: int, total: int) -> str:
    """Where it stands, for who looks on."""
    said = SENTENCES[MoveState(row.state)]
    if row.state == MoveState.COPYING and total:
        said += f", {points:,} of {total:,} values"
    if row.state in move.OVER and row.org_id:
        said += "; a copy is still on the other server"
    return f"{said} (waits: {row.last_error})" if row.last_error else said
