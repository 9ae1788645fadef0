"""What the pairing page says: settings that can be pasted, and a ladder that tells what to look at."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from portal.inverters.service import Credentials
from portal.pairing import handover
from portal.pairing.ladder import Progress, StepState, ladder
from portal.pairing.recipes import NO_SECRET, Broker, Connection, recipes
from schema.models import Rung
from schema.sealing import AesSealer

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LOGIN = "K7M2QX9ABC"
SECRET = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH"
PLAIN = Broker("mqtt.example.org", 1883, tls=False)


def texts(connection: Connection) -> dict[str, str]:
    """Every recipe as one text."""
    return {
        recipe.key: recipe.text + "".join(f"{label}={value}\n" for label, value in recipe.fields)
        for recipe in recipes(connection)
    }


def test_every_recipe_names_host_login_secret_and_own_topic() -> None:
    """Nothing is left to be put together by the reader."""
    for key, text in texts(Connection(PLAIN, LOGIN, SECRET)).items():
        for needed in ("mqtt.example.org", "1883", LOGIN, SECRET, f"deye/{LOGIN}"):
            assert needed in text, (key, needed)


def test_without_the_secret_its_place_is_marked() -> None:
    """A later look at the page gives the same settings with a place for the secret."""
    for key, text in texts(Connection(PLAIN, LOGIN, None)).items():
        assert NO_SECRET in text, key
        assert "None" not in text, key


def test_encryption_stands_in_every_recipe_where_the_broker_offers_it() -> None:
    """And in none where it does not."""
    secured = texts(Connection(Broker("mqtt.example.org", 8883, tls=True), LOGIN, SECRET))
    words = {
        "deye-mqtt": "MQTT_TLS_ENABLED=true",
        "opendtu": "Enable TLS=on",
        "home-bridge": "bridge_capath",
        "by-hand": "--capath",
    }

    assert {key: word in secured[key] for key, word in words.items()} == dict.fromkeys(words, True)
    assert not any(word in texts(Connection(PLAIN, LOGIN, SECRET))[key] for key, word in words.items())


def test_what_opendtu_asks_for_fits_its_fields() -> None:
    """Its base topic has at most 32 characters and a closing slash, its password at most 64."""
    fields = dict(
        next(recipe for recipe in recipes(Connection(PLAIN, LOGIN, SECRET)) if recipe.key == "opendtu").fields
    )

    assert fields["Base Topic"].endswith("/")
    assert len(fields["Base Topic"]) <= 32
    assert len(fields["Password"]) <= 64


def test_a_connection_does_not_print_its_secret() -> None:
    """Neither do credentials: a log that shows one shows no secret."""
    assert SECRET not in repr(Connection(PLAIN, LOGIN, SECRET))
    assert SECRET not in repr(Credentials(LOGIN, SECRET))


@pytest.mark.parametrize("reached", list(Rung))
def test_the_ladder_has_one_next_rung(reached: Rung) -> None:
    """What lies below has worked, one is next, the rest comes later; at the top nothing is next."""
    states = [step.state for step in ladder(Progress(rung=reached), login_applied=True)]
    missing = len(Rung) - 1 - reached

    assert states == [StepState.DONE] * reached + [StepState.NEXT] * (missing > 0) + [StepState.LATER] * (missing - 1)


def test_before_the_broker_knows_the_login_nobody_is_told_to_check_it() -> None:
    """Preparing is our business; only a login that is applied can be typed wrongly."""
    preparing = ladder(Progress(), login_applied=False)[0]
    waiting = ladder(Progress(), login_applied=True)[0]

    assert "on its way" in preparing.text
    assert "Check host and port" in waiting.text


def test_a_refusal_stands_until_a_newer_reading_overtakes_it() -> None:
    """The bridge's sentence is shown at the next rung, and no longer when a good reading came after it."""
    refused = Progress(rung=Rung.TOPIC_RIGHT, refusal="Not JSON.", refused_at=NOW)
    overtaken = Progress(
        rung=Rung.PAYLOAD_UNDERSTOOD, refusal="Not JSON.", refused_at=NOW, reading_at=NOW + timedelta(seconds=1)
    )

    steps = ladder(refused, login_applied=True)
    assert [step.text for step in steps if step.state is StepState.TROUBLE] == ["Not JSON."]
    assert not [step for step in ladder(overtaken, login_applied=True) if step.state is StepState.TROUBLE]


def test_a_handed_over_secret_opens_once_for_one_session_one_inverter_ten_minutes() -> None:
    """Any other session, inverter, key or time, and anything that is not such a cookie, opens nothing."""
    sealer, session_id, inverter_id = AesSealer("A" * 43 + "="), uuid4(), uuid4()
    made = Credentials(LOGIN, SECRET)
    cookie = handover.sealed(made, sealer, session_id=session_id, inverter_id=inverter_id, now=NOW)
    right = {"session_id": session_id, "inverter_id": inverter_id}

    assert handover.opened(cookie, sealer, **right, now=NOW + timedelta(minutes=9)) == made
    assert handover.opened(cookie, sealer, **right, now=NOW + timedelta(minutes=11)) is None
    assert handover.opened(cookie, sealer, session_id=uuid4(), inverter_id=inverter_id, now=NOW) is None
    assert handover.opened(cookie, sealer, session_id=session_id, inverter_id=uuid4(), now=NOW) is None
    assert handover.opened(cookie, AesSealer("B" * 43 + "="), **right, now=NOW) is None
    for nonsense in (None, "", "x", "é", cookie[:-4], "A" * 400):
        assert handover.opened(nonsense, sealer, **right, now=NOW) is None
    assert SECRET not in cookie
