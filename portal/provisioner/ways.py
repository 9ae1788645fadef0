"""From where to where an inverter's readings are copied, with the tokens of its owner's two places opened."""

from uuid import UUID

from portal.provisioner import saga
from portal.provisioner.copying import Way
from portal.provisioner.moved_rows import Pair
from schema.models import InverterMove, OwnerMove, OwnerPlacement, Placement
from schema.sealing import CannotUnseal, Sealer
from schema.timeseries.port import Destination, Source


class Ways:
    """Both ways raise ``CannotUnseal`` where a token is not there, or ``TOKEN_KEY`` does not open it."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def forth(self, row: OwnerMove, home: OwnerPlacement, pair: Pair) -> Way:
        """From the owner's place to the one beside it."""
        return self._way(home, pair.first, row, _second(pair))

    def back(self, row: OwnerMove, home: OwnerPlacement, pair: Pair) -> Way:
        """After the switch: from what is beside the owner's place into it."""
        return self._way(row, _second(pair), home, pair.first)

    def _way(
        self,
        old: OwnerPlacement | OwnerMove,
        old_bucket: Placement | InverterMove,
        new: OwnerPlacement | OwnerMove,
        new_bucket: Placement | InverterMove,
    ) -> Way:
        inverter_id = old_bucket.inverter_id
        token = self._opened(new_bucket.bridge_token_sealed, saga.write_row(inverter_id, "bridge"))
        to = Destination(inverter_id, new.owner_id, new.server, new.org_id, new_bucket.bucket_id, token)
        return Way(self._source(old, old_bucket, inverter_id), self._source(new, new_bucket, inverter_id), to)

    def _source(self, place: OwnerPlacement | OwnerMove, bucket: Placement | InverterMove, inverter_id: UUID) -> Source:
        token = self._opened(place.read_token_sealed, saga.read_row(place.owner_id))
        return Source(place.owner_id, inverter_id, place.server, place.org_id, bucket.bucket_name, token)

    def _opened(self, sealed: bytes | None, row: str) -> str:
        if sealed is None:
            raise CannotUnseal("a token of this place is not there")
        return self._sealer.open(sealed, row=row)


def _second(pair: Pair) -> InverterMove:
    if pair.second is None:
        raise CannotUnseal("the second place of this inverter is not there")
    return pair.second
