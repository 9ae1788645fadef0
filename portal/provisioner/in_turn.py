"""Several that look after one server, one after the other: none of them meets what another has half done."""

from portal.provisioner.ports import Places


class InTurn:
    """Their turns are one turn."""

    def __init__(self, *members: Places) -> None:
        self._members = members

    async def turn(self) -> float | None:
        """Everybody's; seconds until the first of them wants another one."""
        waits = [await member.turn() for member in self._members]
        return min((wait for wait in waits if wait is not None), default=None)
