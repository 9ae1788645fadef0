"""A home whose readings go to a fake InfluxDB: tenants with buckets and tokens of their own, and the oracle of both.

The fake's log of requests is the recording proxy of DESIGN 5: it shows each attempt, not only what came to rest.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import update

from schema.changes import registry_changed
from schema.models import OwnerPlacement, Placement, PlacementState
from schema.sealing import AesSealer
from schema.timeseries.stores import open_manager
from tests.bridge_set_up import Home, Paired
from tests.fake_influx import FakeInflux
from tests.ledger import Ledger
from tests.waiting import until

OPERATOR = "operator-token-of-the-tests"


@dataclass
class Tenant:
    """An inverter with a bucket of its own, and what was sent for it."""

    paired: Paired
    bucket_id: str
    token_id: str
    ledger: Ledger


class Site:
    """A home whose readings go to a fake InfluxDB."""

    def __init__(self, place: Home, influx: FakeInflux, *, server: str = "") -> None:
        """``server`` is where the bridge finds the store, if that is not the store's own address."""
        self.place = place
        self.influx = influx
        self._server = server or influx.url
        self._tokens: dict[str, set[str]] = {}

    async def tenant(self, serial: str) -> Tenant:
        """An owner with an organisation, a bucket and a write token, as the provisioner makes them."""
        paired = await self.place.pair(serial=serial, state=PlacementState.PENDING)
        manager = open_manager(self.influx.url, OPERATOR)
        org_id = await manager.find_or_create_organisation(f"owner-{paired.owner_id}")
        bucket_id = await manager.find_or_create_bucket(org_id, f"inverter-{paired.inverter_id}", retention_s=0)
        await manager.close()
        async with self.place.sessions() as session, session.begin():
            owner = update(OwnerPlacement).where(OwnerPlacement.owner_id == paired.owner_id)
            await session.execute(owner.values(server=self._server, org_id=org_id))
        tenant = Tenant(paired, bucket_id, "", Ledger(paired))
        await self.new_token(tenant)
        return tenant

    async def new_token(self, tenant: Tenant) -> None:
        """Make a token, seal it into the placement and announce that."""
        org_id = self.influx.state.buckets[tenant.bucket_id].org_id
        manager = open_manager(self.influx.url, OPERATOR)
        made = await manager.create_token(org_id, f"bridge-{tenant.token_id}", bucket_id=tenant.bucket_id, write=True)
        await manager.close()
        tenant.token_id = made.authorization_id
        self._tokens.setdefault(tenant.bucket_id, set()).add(made.authorization_id)
        sealer = AesSealer(self.place.settings.token_key.get_secret_value())
        sealed = sealer.seal(made.token, row=f"placement:{tenant.paired.inverter_id}:bridge")
        async with self.place.sessions() as session, session.begin():
            placement = update(Placement).where(Placement.inverter_id == tenant.paired.inverter_id)
            await session.execute(
                placement.values(state=PlacementState.READY, bucket_id=tenant.bucket_id, bridge_token_sealed=sealed)
            )
            await registry_changed(session)

    def points(self, tenant: Tenant) -> dict[datetime, float]:
        """What the tenant's bucket holds."""
        bucket = self.influx.state.buckets[tenant.bucket_id]
        return {
            datetime.fromtimestamp(at_ms / 1000, UTC): float(fields["ac_power"])
            for (_, at_ms), fields in bucket.points.items()
        }

    async def arrived(self, *tenants: Tenant) -> None:
        """Wait until each bucket equals its ledger; then check every request that was ever made."""
        for tenant in tenants:
            sent = await tenant.ledger.acknowledged()
            await until(lambda tenant=tenant, sent=sent: self.points(tenant) == sent, limit_s=30.0)  # type: ignore[misc]
        self.check_requests(*tenants)

    def check_requests(self, *tenants: Tenant) -> None:
        """No request ever carried another triple than the registry's: organisation, bucket and that bucket's token."""
        allowed = {(one.bucket_id, one.paired.serial) for one in tenants}
        for seen in self.influx.writes:
            bucket = self.influx.state.buckets.get(seen.bucket_id)
            assert bucket is None or bucket.org_id == seen.org_id, seen
            assert {(seen.bucket_id, serial) for serial in seen.serials} <= allowed, seen
            assert not seen.token_id or seen.token_id in self._tokens[seen.bucket_id], seen
