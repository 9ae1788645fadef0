"""Whose a topic is, and which device may speak on it."""

from uuid import uuid4

import pytest

from bridge.decoded import Refused
from bridge.identify import Admitted, Barred, Found, Stranger, admit, feed_of, find, is_sum, needs_claim, nobodys, whose
from bridge.refusals import Reason
from bridge.routes import Claim, Directory, Route
from schema.topics import LONGEST_TOPIC, Address
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, directory, route

pytestmark = pytest.mark.unit


def _refusal(answer: object) -> Reason:
    assert isinstance(answer, Refused), answer
    return answer.reason


def _admit(one: Route, *, device: str = "", serial: str = "") -> Admitted | Refused:
    return admit(one, device=device, serial=serial)


def _of(known: Directory, rest: str, *, device: str = "", serial: str = "") -> Route | None:
    """Whose a message below Alice's login is, once its dialect has told the device."""
    found = feed_of(known, Address(ALICE_LOGIN, rest))
    assert isinstance(found, Found)
    return whose(found, device=device, serial=serial)


def test_the_login_names_the_feed() -> None:
    """With one inverter the rest of the topic belongs to the dialect."""
    one = route()

    assert feed_of(directory(one), Address(ALICE_LOGIN, "ac/power")) == Found(one, "ac/power")


def test_a_login_nobody_has_is_a_stranger_and_not_yet_a_fault() -> None:
    """Not found is not could not look: the database is asked first."""
    assert feed_of(directory(), Address(ALICE_LOGIN, "x")) == Stranger(ALICE_LOGIN)


def test_a_revoked_login_is_refused_at_once() -> None:
    """Whatever the broker still allows."""
    known = directory(route(), revoked=[ALICE_LOGIN])

    assert _refusal(feed_of(known, Address(ALICE_LOGIN, "reading"))) is Reason.REVOKED_LOGIN


def test_what_a_login_in_quarantine_sends_is_set_aside_for_its_owner() -> None:
    """Also where it carries several inverters; one of them tells whose it is. Withdrawn is more than quarantined."""
    roof, barn = route(), route(selector="barn")

    alone = feed_of(directory(roof, quarantined=[ALICE_LOGIN]), Address(ALICE_LOGIN, "reading"))
    named = find(directory(roof, barn, quarantined=[ALICE_LOGIN]), f"deye/{ALICE_LOGIN}/barn/reading")
    nobodys_ = find(directory(barn, quarantined=[ALICE_LOGIN]), f"deye/{ALICE_LOGIN}/shed/reading")
    gone = find(directory(roof, quarantined=[ALICE_LOGIN], revoked=[ALICE_LOGIN]), f"deye/{ALICE_LOGIN}/reading")

    assert isinstance(alone, Barred)
    assert (alone.route, alone.refused.reason) == (roof, Reason.QUARANTINED)
    assert isinstance(named, Barred)
    assert named.route == barn
    assert isinstance(nobodys_, Barred)
    assert nobodys_.route == barn
    assert _refusal(gone) is Reason.REVOKED_LOGIN


def test_selectors_share_a_login_among_inverters() -> None:
    """The first level names the feed and is taken off, except for OpenDTU, whose dialect expects it."""
    roof, barn = route(selector="roof"), route(selector="114180000001")
    known = directory(roof, barn)

    entry = known.login(ALICE_LOGIN)

    assert feed_of(known, Address(ALICE_LOGIN, "roof/ac/power")) == Found(roof, "ac/power", entry)
    assert feed_of(known, Address(ALICE_LOGIN, "114180000001/0/power")) == Found(barn, "114180000001/0/power", entry)
    assert feed_of(known, Address(ALICE_LOGIN, "shed/ac/power")) == Found(None, "shed/ac/power", entry)
    assert _of(known, "shed/ac/power", device="shed") is None


def test_a_device_is_found_by_what_was_made_for_it() -> None:
    """By its topic, by its payload, below a home bridge's word, and a serial wherever it stands."""
    first, second = route(device_key="1"), route(selector="2")
    roof, dtu = route(selector="roof/2"), route(selector="114180000002")
    payload, bound = route(selector="2799999999"), route(selector="barn", device_key="114180000003")
    known = directory(first, second, roof, dtu, payload, bound)

    assert _of(known, "1/ac/freq", device="1") == first
    assert _of(known, "2/ac/freq") == second
    assert _of(known, "roof/2/ac/freq", device="roof/2") == roof
    assert _of(known, "solar/114180000002/0/power", device="114180000002") == dtu
    assert _of(known, "reading", serial="2799999999") == payload
    assert _of(known, "shed/reading", device="shed", serial="2799999999") == payload
    assert _of(known, "114180000003/0/power", device="114180000003") == bound
    assert _of(known, "barn/114180000003/0/power", device="114180000003") == bound


def test_a_feed_of_its_own_comes_before_the_one_without_a_selector() -> None:
    """Even while that one has no device yet: it must not be bound to somebody who has a feed."""
    first, second = route(claim=Claim.PENDING), route(selector="2799999999")

    assert _of(directory(first, second), "reading", serial="2799999999") == second
    assert _of(directory(first, second), "reading", serial="2711111111") == first


def test_a_loggers_number_is_a_name_below_its_own_word_alone() -> None:
    """``roof/2`` is another one than the second logger of the login's own client."""
    first, second = route(), route(selector="2")

    assert _of(directory(first, second), "roof/2/ac/freq", device="roof/2") == first


def test_what_no_feed_of_several_takes_is_said_by_its_device_or_its_topic() -> None:
    """Another device, where there is one."""
    assert nobodys("shed/ac/freq", device="shed", serial="").reason is Reason.ANOTHER_DEVICE
    assert nobodys("reading", device="", serial="2799999999").reason is Reason.ANOTHER_DEVICE
    assert nobodys("what/ever", device="", serial="").reason is Reason.WRONG_TOPIC


def test_a_payload_without_a_device_is_admitted() -> None:
    """Most publishers name none."""
    assert _admit(route()) == Admitted()


def test_the_first_device_is_bound_and_its_serial_becomes_an_alias() -> None:
    """A logger's serial is not its inverter's."""
    assert _admit(route(), serial="4100000001") == Admitted(device_key="4100000001", alias="4100000001")
    assert _admit(route(), device="roof") == Admitted(device_key="roof", alias="")


def test_the_own_serial_needs_no_alias() -> None:
    """It is bound, but already known."""
    assert _admit(route(serial="2711111111"), serial="2711111111") == Admitted(device_key="2711111111")


def test_a_second_device_on_a_feed_is_refused() -> None:
    """Two inverters must not be mixed in one curve."""
    one = route(device_key="114180000001", aliases=frozenset({"114180000001"}))

    assert _refusal(_admit(one, device="114180000002")) is Reason.ANOTHER_DEVICE
    assert _admit(one, device="114180000001") == Admitted()


def test_the_owners_own_disputed_serial_still_speaks() -> None:
    """Who typed the same serial writes into his own bucket; only the name is contested."""
    bob = route(BOB_LOGIN, serial="2711111111", claim=Claim.DISPUTED)

    assert isinstance(_admit(bob, serial="2711111111"), Admitted)


@pytest.mark.parametrize(
    ("rest", "device", "routes", "sum_"),
    [
        ("ac/freq", "", [route(device_key="1")], True),
        ("1/ac/freq", "1", [route(device_key="1")], False),
        ("ac/freq", "", [route()], False),
        ("ac/freq", "", [route(device_key="2711111111")], False),
        ("ac/freq", "", [route(selector="1"), route(selector="2")], True),
        ("2/ac/freq", "", [route(device_key="1"), route(selector="2")], False),
        ("3/ac/freq", "3", [route(device_key="1"), route(selector="2")], False),
        ("roof/ac/freq", "roof", [route(device_key="roof/1")], True),
        ("roof/ac/freq", "", [route(selector="roof", device_key="1"), route()], True),
        ("roof/ac/freq", "", [route(selector="roof"), route(device_key="1")], False),
        ("barn/ac/freq", "barn", [route(device_key="roof/1"), route(selector="roof/2")], False),
    ],
)
def test_the_sum_of_several_loggers_is_not_one_inverters_reading(
    rest: str, device: str, routes: list[Route], *, sum_: bool
) -> None:
    """Trap (d): added to its parts it would double the production. It stands where their numbers are left away."""
    found = feed_of(directory(*routes), Address(ALICE_LOGIN, rest))

    assert isinstance(found, Found)
    assert is_sum(found, device) is sum_


def test_a_claim_is_needed_once() -> None:
    """For the first reading of a feed and for a new device."""
    assert needs_claim(route(claim=Claim.PENDING), Admitted())
    assert needs_claim(route(), Admitted(device_key="1"))
    assert not needs_claim(route(), Admitted())
    assert not needs_claim(route(claim=Claim.DISPUTED), Admitted())


def test_a_directory_knows_where_an_inverter_goes() -> None:
    """An inverter that is not in it goes nowhere."""
    one = route()

    assert directory(one).destination(one.inverter_id) == one.destination
    assert directory(one).destination(uuid4()) is None


def test_a_topic_longer_than_any_publishers_is_set_aside() -> None:
    """What topics say is remembered, so their length has an end: one character more names no feed."""
    topic = f"deye/{ALICE_LOGIN}/".ljust(LONGEST_TOPIC, "x")

    assert isinstance(find(directory(route()), topic), Found)
    assert _refusal(find(directory(route()), topic + "x")) is Reason.WRONG_TOPIC
