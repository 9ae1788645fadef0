"""What mailed links are made of. No I/O."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MailedLinks:
    """The configured address that links begin with (never a request's Host) and the key of their tokens' hashes."""

    base_url: str
    key: str = field(repr=False)
