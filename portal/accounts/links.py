"""What mails with links are made of. No I/O."""

from dataclasses import dataclass, field

from schema.sealing import Sealer


@dataclass(frozen=True, slots=True)
class MailedLinks:
    """The configured address that links begin with (never a request's Host), the key of their tokens' hashes, and what
    seals a mail that waits to be sent.
    """

    base_url: str
    key: str = field(repr=False)
    sealer: Sealer = field(repr=False)
