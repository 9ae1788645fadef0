"""Why a message was set aside, in the owner's language. The bridge writes English; here its code finds the words.

The sentences are those of ``bridge.refusals``, which the portal may not import; a test holds both against each other.
"""

import re
from functools import cache

from portal.words import N_, SOURCE, _, reader

SENTENCES = {
    "unknown_login": N_("No login of this name exists. Copy the topic from the pairing page again."),
    "revoked_login": N_("This login was withdrawn. Make a new one and enter it in the publisher."),
    "wrong_topic": N_("Nothing is expected on the topic {}. Use the topic that the pairing page shows."),
    "not_json": N_("The message is not a JSON document: {}."),
    "not_a_number": N_("{} is not a finite number. Send numbers without quotation marks and units."),
    "too_large": N_("The message has {} bytes, more than a reading may have. Send one reading per message."),
    "too_deep": N_("The document is nested too deeply. Send names and numbers on one level."),
    "no_values": N_("The document holds no measured value. Send at least one number, for example ac_power."),
    "implausible": N_("A value cannot be true and was set aside: {}."),
    "other_serial": N_("The messages name {}, not the serial you entered. If it is your logger's, all is well."),
    "another_device": N_("The message names {}, and this login is not that device's. Give each device its own login."),
    "bad_time": N_("The time in the message cannot be right; the time of arrival was used. Check the clock."),
    "store_refused": N_("The store did not take this reading: {}."),
    "too_fast": N_("The login sends more than {}. What is beyond is not stored: send less often."),
    "too_much": N_("The login went on sending too much. None of its messages is stored until {}."),
    "quarantined": N_("This login is in quarantine: what it sends is kept aside until you let it speak again."),
    "spool_share": N_("The store was away so long that no more than {} could be kept for this inverter."),
    "inverter_deleted": N_("The inverter was deleted while readings of it waited for the store. They were dropped."),
    "not_understood": N_("The bridge failed on this message. It is kept; the fault is ours."),
}

# What lists call each reason: the words of ``schema.letters.TITLES``.
TITLES = {
    "unknown_login": N_("Unknown login"),
    "revoked_login": N_("Withdrawn login"),
    "wrong_topic": N_("Wrong topic"),
    "not_json": N_("Not a JSON document"),
    "not_a_number": N_("Text where a number belongs"),
    "too_large": N_("Message too large"),
    "too_deep": N_("Nested too deeply"),
    "no_values": N_("No measured value"),
    "implausible": N_("Value that cannot be true"),
    "other_serial": N_("Another serial"),
    "another_device": N_("Another device on this login"),
    "bad_time": N_("Wrong time"),
    "store_refused": N_("Refused by the store"),
    "not_understood": N_("Fault of the bridge"),
    "too_fast": N_("Too many messages"),
    "too_much": N_("Far too many messages"),
    "quarantined": N_("Login in quarantine"),
    "spool_share": N_("More than could be kept"),
    "inverter_deleted": N_("Inverter deleted"),
}

_FRAGMENTS = (
    N_("a name occurs twice"),
    N_("it is not UTF-8"),
    N_("an object in braces is expected"),
    N_("a number of thousands of digits"),
    N_("the sum of all loggers"),
)
_LOGIN_IN_A_TOPIC = re.compile(r"\bdeye/[^/\s]+")
_MESSAGES_A_SECOND = re.compile(r"(\d+(?:\.\d+)?) messages a second")


def reason(title: str) -> str:
    """What lists call a reason."""
    return _(title)


def refused(code: str, english: str) -> str:
    """The bridge's sentence about a refusal. What it found in the message stays as it was sent.

    In another language a sentence of a bridge that says it otherwise becomes the reason's title.
    """
    if not english or reader().language == SOURCE:
        return english
    if code not in SENTENCES:
        return english
    found = _pattern(code).fullmatch(english)
    if found is None:
        return _(TITLES[code]) + "."
    return _(SENTENCES[code]).replace("{}", _subject(found[1]) if found.groups() else "", 1)


def nameless(sentence: str) -> str:
    """The sentence without the login in a topic: for what people see who may only look."""
    return _LOGIN_IN_A_TOPIC.sub("deye/…", sentence)


def _subject(english: str) -> str:
    """A number or name out of the message, or one of the bridge's few fixed words."""
    if english in _FRAGMENTS:
        return _(english)
    rate = _MESSAGES_A_SECOND.fullmatch(english)
    return _("%(count)s messages a second", count=rate[1]) if rate else english


@cache
def _pattern(code: str) -> re.Pattern[str]:
    return re.compile(re.escape(SENTENCES[code]).replace(re.escape("{}"), "(.*)"), re.DOTALL)
