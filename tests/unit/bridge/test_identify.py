"""Whose a topic is, and which device may speak on it."""

from uuid import uuid4

import pytest

from bridge.decoded import Refused
from bridge.identify import Admitted, Found, Stranger, admit, feed_of, needs_claim
from bridge.refusals import Reason, sentence
from bridge.routes import Claim, Route
from schema.topics import Address
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, directory, route

pytestmark = pytest.mark.unit


def _refusal(answer: object) -> Reason:
    assert isinstance(answer, Refused), answer
    return answer.reason


def _admit(one: Route, *others: Route, device: str = "", serial: str = "", sums: bool = False) -> Admitted | Refused:
    return admit(one, directory(one, *others), device=device, serial=serial, sums=sums)


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


def test_selectors_share_a_login_among_inverters() -> None:
    """The first level names the feed and is taken off, except for OpenDTU, whose dialect expects it."""
    roof, barn = route(selector="roof"), route(selector="114180000001")
    known = directory(roof, barn)

    assert feed_of(known, Address(ALICE_LOGIN, "roof/ac/power")) == Found(roof, "ac/power")
    assert feed_of(known, Address(ALICE_LOGIN, "114180000001/0/power")) == Found(barn, "114180000001/0/power")
    assert _refusal(feed_of(known, Address(ALICE_LOGIN, "shed/ac/power"))) is Reason.WRONG_TOPIC


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


def test_a_serial_that_is_active_for_another_owner_is_refused() -> None:
    """Bob's payload or topic names Alice's inverter."""
    alice = route(serial="2711111111")
    bob = route(BOB_LOGIN, serial="2722222222")

    assert _refusal(_admit(bob, alice, serial="2711111111")) is Reason.FOREIGN_SERIAL
    assert _refusal(_admit(bob, alice, device="2711111111")) is Reason.FOREIGN_SERIAL


def test_a_guesser_of_serials_reads_one_sentence() -> None:
    """Whether somebody has a serial stands in no answer to whoever tries it out."""
    foreign, second = (sentence(reason, "2711111111") for reason in (Reason.FOREIGN_SERIAL, Reason.ANOTHER_DEVICE))

    assert foreign == second


def test_who_names_a_serial_first_without_proof_shuts_nobody_out() -> None:
    """Bob's messages named Alice's logger before hers did: it is his alias, and hers come through all the same."""
    bob = route(BOB_LOGIN, serial="2722222222", aliases=frozenset({"4100000001"}))

    assert isinstance(_admit(route(serial="2711111111"), bob, serial="4100000001"), Admitted)


def test_a_serial_that_nobody_has_proved_is_nobodys() -> None:
    """A pending inverter elsewhere does not hold its serial: squatting gains nothing."""
    squatter = route(serial="4100000001", claim=Claim.PENDING)

    assert isinstance(_admit(route(BOB_LOGIN), squatter, serial="4100000001"), Admitted)


def test_the_owners_own_disputed_serial_still_speaks() -> None:
    """Who typed the same serial writes into his own bucket; only the name is contested."""
    alice, bob = route(serial="2711111111"), route(BOB_LOGIN, serial="2711111111", claim=Claim.DISPUTED)

    assert isinstance(_admit(bob, alice, serial="2711111111"), Admitted)


def test_the_sum_of_several_loggers_is_not_one_inverters_reading() -> None:
    """Trap (d): added to its parts it would double the production."""
    one = route(device_key="1")

    assert _refusal(_admit(one, sums=True)) is Reason.ANOTHER_DEVICE
    assert _admit(one, device="1", sums=True) == Admitted()


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
