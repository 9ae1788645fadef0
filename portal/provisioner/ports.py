"""What the provisioner's wiring asks of whoever looks after places for readings."""

from typing import Protocol


class Places(Protocol):
    """Looks after places for readings, of one server or elsewhere."""

    async def turn(self) -> float | None:
        """Do all work that is due; seconds until the next retry, None where nothing waits for one."""
