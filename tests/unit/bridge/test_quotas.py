"""How much one login may send, and what becomes of the one that does not keep to it."""

import pytest

from bridge.quotas import Quota, Quotas, Verdict
from schema.settings import BridgeSettings

pytestmark = pytest.mark.unit

QUOTA = Quota(per_s=10.0, burst=50, patience_s=30.0, quarantine_s=300.0)


def _sent(quotas: Quotas, count: int, now: float, login: str = "flood") -> list[Verdict]:
    return [quotas.judge(login, now) for _ in range(count)]


def test_a_burst_is_let_through_and_what_is_beyond_is_not() -> None:
    """Fifty at once, then ten a second."""
    quotas = Quotas(QUOTA)

    at_once = _sent(quotas, 60, 0.0)
    later = _sent(quotas, 20, 1.0)

    assert at_once == [Verdict.WITHIN] * 50 + [Verdict.TOO_FAST] * 10
    assert later == [Verdict.WITHIN] * 10 + [Verdict.TOO_FAST] * 10


def test_one_login_does_not_use_up_anothers_quota() -> None:
    """Each has its own."""
    quotas = Quotas(QUOTA)
    _sent(quotas, 1000, 0.0)

    assert _sent(quotas, 50, 0.0, "neighbour") == [Verdict.WITHIN] * 50


def test_who_stays_beyond_is_quarantined_and_heard_again_afterwards() -> None:
    """Half a minute of too much, then five minutes of nothing, then a new chance."""
    quotas = Quotas(QUOTA)
    for second in range(30):
        _sent(quotas, 100, float(second))
    first = quotas.judge("flood", 31.0)
    for _ in range(100):
        last = quotas.judge("flood", 31.0)

    assert (first, last) == (Verdict.WITHIN, Verdict.QUARANTINED)
    assert quotas.quarantined_for("flood", 31.0) == 300.0
    assert quotas.judge("flood", 330.9) is Verdict.QUARANTINED
    assert _sent(quotas, 50, 331.0) == [Verdict.WITHIN] * 50
    assert quotas.judge("flood", 331.0) is Verdict.TOO_FAST


def test_two_separate_bursts_are_no_reason_for_quarantine() -> None:
    """Between them the login was quiet."""
    quotas = Quotas(QUOTA)
    for minute in range(5):
        verdicts = _sent(quotas, 60, minute * 60.0)

        assert Verdict.TOO_FAST in verdicts
        assert Verdict.QUARANTINED not in verdicts


def test_what_the_broker_had_kept_comes_at_once_and_counts_for_nothing() -> None:
    """An hour of one client's messages arrives within a second after an outage of the bridge."""
    quotas = Quotas(QUOTA)

    assert all(quotas.judge("queued", 0.0, queued=True) is Verdict.WITHIN for _ in range(10_000))
    assert _sent(quotas, 50, 0.0, "queued") == [Verdict.WITHIN] * 50


def test_logins_that_keep_to_their_rate_are_not_remembered() -> None:
    """A hundred thousand of them cost no memory."""
    quotas = Quotas(QUOTA)
    for number in range(100_000):
        quotas.judge(f"login-{number}", number * 0.01)

    assert len(quotas._paid_until) <= 10_001


@pytest.mark.parametrize(
    ("inverters", "topics", "cycle_s"), [(1, 60, 5.0), (10, 60, 10.0), (10, 60, 5.0)], ids=["home", "gateway", "fast"]
)
def test_no_ordinary_publisher_reaches_the_default_quota(inverters: int, topics: int, cycle_s: float) -> None:
    """A client with 60 values a cycle, a gateway with ten such inverters, all at once in each cycle, for an hour."""
    fields = BridgeSettings.model_fields
    quotas = Quotas(
        Quota(
            fields["quota_messages_per_s"].default,
            fields["quota_burst_messages"].default,
            fields["quota_patience_s"].default,
            fields["quarantine_s"].default,
        )
    )

    verdicts = {
        quotas.judge("one", cycle * cycle_s) for cycle in range(int(3600 / cycle_s)) for _ in range(inverters * topics)
    }

    assert verdicts == {Verdict.WITHIN}
