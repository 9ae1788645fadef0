"""The sentences owners read."""

import pytest

from bridge.refusals import SENTENCES, Reason, sentence

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_that_fits_its_column(reason: Reason) -> None:
    """Plain text of at most 300 characters, whatever the message contained."""
    text = sentence(reason, "x\n\x00\u202e" * 500)

    assert reason in SENTENCES
    assert text.isprintable()
    assert 0 < len(text) <= 300
    assert len(reason) <= 40
