"""What the provisioner's wiring asks of whoever makes places for readings."""

from typing import Protocol


class Places(Protocol):
    """Makes places for readings in one kind of store."""

    async def turn(self) -> float | None:
        """Do all work that is due; seconds until the next retry, None where nothing waits for one."""
