"""What the broker's own figures mean."""

import pytest

from bridge.broker_watch import (
    QUEUE_FILLING,
    RETAINED_OWN,
    RETAINED_PER_LOGIN,
    BrokerNow,
    BrokerWatch,
    queue_alarm,
    retained_alarm,
)
from schema.broker_files import QUEUE_BYTES, QUEUE_MESSAGES
from schema.topics import BROKER_NUMBERS
from tests.broker import TEMPLATES

pytestmark = pytest.mark.unit

DROPPED, COUNT, BYTES, RETAINED, CONNECTED, STORED, *_ = BROKER_NUMBERS


def watch() -> BrokerWatch:
    """Of a broker with a small queue."""
    return BrokerWatch(queue_limit=1_000, queue_limit_bytes=10_000)


def test_every_dropped_message_is_counted_once() -> None:
    """The counter only grows; what was told before is not told again."""
    one = watch()

    told = [one.told(DROPPED, payload, at) for at, payload in enumerate((b"0", b"3", b"3", b"10"))]

    assert told == [0, 3, 0, 7]
    assert (one.lost, one.lost_at) == (10, 3)


def test_what_was_dropped_before_anybody_listened_counts_too() -> None:
    """The bridge was away when the queue was full: the first figure it is given tells."""
    one = watch()

    assert one.told(DROPPED, b"400", 5.0) == 400
    assert one.now(logins=0).dropped == 400


def test_a_restarted_broker_begins_to_count_anew() -> None:
    """A smaller number is not a smaller loss."""
    one = watch()
    one.told(DROPPED, b"10", 0.0)

    told = [one.told(DROPPED, payload, 1.0) for payload in (b"0", b"4")]

    assert told == [0, 4]
    assert one.lost == 14


def test_the_queue_is_measured_against_the_nearer_of_its_limits() -> None:
    """And retained messages are not queued ones."""
    one = watch()
    for topic, payload in ((COUNT, b"350"), (RETAINED, b"50"), (BYTES, b"6000"), (CONNECTED, b"7")):
        one.told(topic, payload, 0.0)

    now = one.now(logins=1)

    assert (now.queued, now.queued_bytes, now.retained, now.connected) == (300, 6_000, 50, 7)
    assert now.queue_filled == pytest.approx(0.6)
    assert "60%" in queue_alarm(now, QUEUE_FILLING)
    assert queue_alarm(now, 0.8) == ""


def test_either_topic_that_counts_the_queue_will_do() -> None:
    """2.1 says that it may drop the old name."""
    one = watch()
    one.told(STORED, b"12", 0.0)

    assert one.now(logins=0).queued == 12


def test_more_retained_messages_than_the_logins_can_need_are_an_alarm() -> None:
    """The flood of one login shows against what all of them together are due."""
    expected = RETAINED_OWN + 3 * RETAINED_PER_LOGIN
    one = watch()
    one.told(RETAINED, str(expected).encode(), 0.0)
    quiet = retained_alarm(one.now(logins=3))
    one.told(RETAINED, str(expected + 1).encode(), 0.0)

    assert quiet == ""
    assert str(expected + 1) in retained_alarm(one.now(logins=3))


@pytest.mark.parametrize("payload", [b"", b"-1", b"1.5", b"\xff", b"9" * 40, "\u0663".encode()])
def test_what_is_no_count_changes_nothing(payload: bytes) -> None:
    """The broker's words are input like any other."""
    one = watch()

    assert one.told(DROPPED, payload, 0.0) == 0
    assert one.now(logins=0) == BrokerNow(queue_limit=1_000, queue_limit_bytes=10_000, retained_expected=RETAINED_OWN)


def test_the_limits_the_alarms_compare_with_are_those_of_the_brokers_configuration() -> None:
    """Two places, one number."""
    lines = (TEMPLATES / "mosquitto.conf").read_text().splitlines()

    assert f"max_queued_messages {QUEUE_MESSAGES}" in lines
    assert f"max_queued_bytes {QUEUE_BYTES}" in lines
