"""What no login may do at the broker, how it is tried, and what the answers mean. Pure: ``edges/self_check.py`` tries.

All of the bridge's identification rests on three lines of configuration (DESIGN 4.1): the ACL, no anonymous entry, the
user's name as client id. A line lost in an update or a hand edit shows nowhere else: everything goes on working.
"""

from dataclasses import dataclass
from enum import StrEnum

from schema.topics import BRIDGE_USER, CANARY_TOPIC, CANARY_USER, ROOT

# A name that no login can have (no 0 in their alphabet): where the rule is broken, nobody's data is touched.
_NOBODY = "0" * 10
FOREIGN_TOPICS = (
    f"{ROOT}/{_NOBODY}/self-check",
    f"{ROOT}/{BRIDGE_USER}/self-check",
    f"{ROOT}/{CANARY_USER}x/self-check",
    f"{ROOT}/self-check",
    f"/{CANARY_TOPIC}",
    "self-check",
    "$SYS/broker/self-check",
)
# With what is retained, which comes at once where it may be read; the others without, for there may be much of it.
SYSTEM_PATTERN = "$SYS/#"
PATTERNS = (
    "#",
    "+/#",
    "+/+/#",
    "+/+/+",
    f"{ROOT}/#",
    f"{ROOT}/+/#",
    f"{ROOT}/+/+",
    f"{ROOT}/{CANARY_USER}/#",
    CANARY_TOPIC,
    f"{ROOT}/{BRIDGE_USER}/#",
    f"$share/{CANARY_USER}/{ROOT}/#",
)


class BrokenRule(StrEnum):
    """A rule that does not hold at the running broker."""

    STRANGERS = "strangers"
    READING = "reading"
    SPOOFING = "spoofing"
    TAKING_OVER = "taking_over"
    WRITING = "writing"


SENTENCES = {
    BrokenRule.STRANGERS: "whoever has no login, or a wrong secret, is let in (allow_anonymous, password_file)",
    BrokenRule.READING: "a login can read what the broker carries (acl_file)",
    BrokenRule.SPOOFING: "a login can publish in another one's name (acl_file)",
    BrokenRule.TAKING_OVER: "a login can throw another one out by its client id (use_username_as_clientid)",
    BrokenRule.WRITING: "no login can publish below its own name (acl_file: pattern write deye/%u/#)",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What happened. Topics are those of messages that came, or of publications that were accepted.

    ``replaced`` says whether a second connection of the same user, under another client id, ended the first one: that
    is how a broker shows that it puts the user's name in the client id's place.
    """

    strangers_entered: bool
    received: tuple[str, ...]
    accepted: tuple[str, ...]
    replaced: bool


@dataclass(frozen=True, slots=True)
class BrokerRules:
    """What the last check said. ``unchecked`` says in a few words why there is no answer yet; else it is empty."""

    broken: tuple[BrokenRule, ...] = ()
    unchecked: str = "not tried yet"

    @property
    def detail(self) -> str:
        """Every broken rule in words, or nothing."""
        return "; ".join(SENTENCES[rule] for rule in self.broken)


def judge(tried: Tried) -> BrokerRules:
    """Which rules do not hold."""
    verdicts = {
        BrokenRule.STRANGERS: tried.strangers_entered,
        BrokenRule.READING: bool(tried.received),
        BrokenRule.SPOOFING: any(topic != CANARY_TOPIC for topic in tried.accepted),
        BrokenRule.TAKING_OVER: not tried.replaced,
        BrokenRule.WRITING: CANARY_TOPIC not in tried.accepted,
    }
    return BrokerRules(tuple(rule for rule, broken in verdicts.items() if broken), unchecked="")
