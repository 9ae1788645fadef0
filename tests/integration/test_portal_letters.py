"""What was set aside, to its owner: a sentence that says what to do, nothing of others, nothing that runs."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from schema.letters import PayloadForm
from tests.people import Cast
from tests.portal_letters import LIST, NASTY, OF_BOB, put

pytestmark = pytest.mark.integration


async def test_an_owner_reads_why_his_loggers_messages_were_set_aside(cast: Cast) -> None:
    """In a sentence that says what to do, with how often, when on his own clock, and what was sent."""
    letter = await put(cast)
    on_her_clock = letter.first_seen_at.astimezone(ZoneInfo("Europe/Berlin"))

    page, list_page = (
        await cast.alice.get(f"/inverters/{cast.roof}"),
        await cast.alice.get(f"/inverters/{cast.roof}/messages"),
    )

    assert "Send numbers without quotation marks and units." in page.text
    assert f'href="/inverters/{cast.roof}/messages"' in page.text
    assert "Text where a number belongs" in list_page.text
    assert "12 messages" in list_page.text
    assert f">{on_her_clock:%H:%M}" in list_page.text
    assert "{&#34;ac_power&#34;: &#34;warm&#34;}" in list_page.text


async def test_where_nothing_is_set_aside_the_page_says_what_that_means(cast: Cast) -> None:
    """And the inverter's page does not speak of it at all."""
    page, messages = (
        await cast.alice.get(f"/inverters/{cast.roof}"),
        await cast.alice.get(f"/inverters/{cast.roof}/messages"),
    )

    assert "set aside" not in page.text
    assert "Nothing is set aside: everything that came" in messages.text


async def test_a_message_on_a_wrong_topic_is_shown_to_whom_the_login_belongs(cast: Cast) -> None:
    """It names no inverter, but the broker has proved the login."""
    await put(cast, inverter_id=None, reason="wrong_topic", detail="Nothing is expected on the topic solar.")

    hers = await cast.alice.get(f"/inverters/{cast.roof}/messages")

    assert "Nothing is expected on the topic solar." in hers.text


async def test_nobody_sees_what_was_set_aside_of_somebody_else(cast: Cast) -> None:
    """Neither by Alice's address nor on his own inverter's page; unknown logins are nobody's."""
    await put(cast, detail="a sentence of Alice's")
    await put(cast, **OF_BOB, detail="a sentence of nobody's", reason="unknown_login")
    listed = await cast.bob.get("/inverters")
    shed = next(word.split('"')[0] for word in listed.text.split("/inverters/")[1:] if len(word.split('"')[0]) == 36)

    at_alices = await cast.bob.get(f"/inverters/{cast.roof}/messages")
    at_his_own, his_page = await cast.bob.get(f"/inverters/{shed}/messages"), await cast.bob.get(f"/inverters/{shed}")
    hers = await cast.alice.get(f"/inverters/{cast.roof}/messages")

    assert at_alices.status_code == 404
    assert at_his_own.status_code == his_page.status_code == 200
    assert "a sentence of" not in at_alices.text + at_his_own.text + his_page.text
    assert "a sentence of nobody's" not in hers.text


async def test_what_was_sent_is_text_on_every_page(cast: Cast) -> None:
    """Markup in payload, topic, sentence and the store's answer is shown, not run; bytes are shown as bytes."""
    letter = await put(
        cast, payload=NASTY.encode(), topic=f"deye/{NASTY}", detail=NASTY, response=NASTY, reason="store_refused"
    )
    yesterday = letter.last_seen_at - timedelta(days=1)
    octets = await put(cast, payload=bytes(range(256)), topic="deye/bytes", reason="not_json", last_seen_at=yesterday)

    pages = [
        await cast.alice.get(f"/inverters/{cast.roof}"),
        await cast.alice.get(f"/inverters/{cast.roof}/messages"),
        await cast.ada.get(LIST),
        await cast.ada.get(f"{LIST}/{letter.id}"),
        await cast.ada.get(f"{LIST}?login={NASTY}"),
    ]
    as_bytes = await cast.ada.get(f"{LIST}/{octets.id}")

    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text
    assert "0000  00 01 02 03" in as_bytes.text
    assert "it is no text" in as_bytes.text


async def test_the_stores_own_answer_is_for_administrators(cast: Cast) -> None:
    """It may name what is no owner's business."""
    letter = await put(cast, response="bucket 4711: field type conflict", reason="store_refused")

    hers, adas = await cast.alice.get(f"/inverters/{cast.roof}/messages"), await cast.ada.get(f"{LIST}/{letter.id}")

    assert "4711" not in hers.text
    assert "bucket 4711: field type conflict" in adas.text


async def test_a_letter_that_became_a_line_says_so(cast: Cast) -> None:
    """What was refused by the store is not what the logger sent."""
    letter = await put(cast, form=PayloadForm.LINE, payload=b"reading,serial=1 ac_power=1 1", reason="store_refused")

    page = await cast.ada.get(f"{LIST}/{letter.id}")

    assert "The line that was made of the message" in page.text
