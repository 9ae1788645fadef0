"""Why a message is set aside: each code with the sentence its owner reads, which says what to do. No I/O."""

from enum import StrEnum


class Reason(StrEnum):
    """Codes as the tables ``dead_letter`` and ``live`` keep them."""

    UNKNOWN_LOGIN = "unknown_login"
    REVOKED_LOGIN = "revoked_login"
    WRONG_TOPIC = "wrong_topic"
    NOT_JSON = "not_json"
    NOT_A_NUMBER = "not_a_number"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NO_VALUES = "no_values"
    IMPLAUSIBLE = "implausible"
    OTHER_SERIAL = "other_serial"
    ANOTHER_DEVICE = "another_device"
    BAD_TIME = "bad_time"
    STORE_REFUSED = "store_refused"
    NOT_UNDERSTOOD = "not_understood"
    TOO_FAST = "too_fast"
    TOO_MUCH = "too_much"
    QUARANTINED = "quarantined"
    SPOOL_SHARE = "spool_share"
    INVERTER_DELETED = "inverter_deleted"


SENTENCES: dict[Reason, str] = {
    Reason.UNKNOWN_LOGIN: "No login of this name exists. Copy the topic from the pairing page again.",
    Reason.REVOKED_LOGIN: "This login was withdrawn. Make a new one and enter it in the publisher.",
    Reason.WRONG_TOPIC: "Nothing is expected on the topic {}. Use the topic that the pairing page shows.",
    Reason.NOT_JSON: "The message is not a JSON document: {}.",
    Reason.NOT_A_NUMBER: "{} is not a finite number. Send numbers without quotation marks and units.",
    Reason.TOO_LARGE: "The message has {} bytes, more than a reading may have. Send one reading per message.",
    Reason.TOO_DEEP: "The document is nested too deeply. Send names and numbers on one level.",
    Reason.NO_VALUES: "The document holds no measured value. Send at least one number, for example ac_power.",
    Reason.IMPLAUSIBLE: "A value cannot be true and was set aside: {}.",
    # A notice with a stored reading; the same whoever else has this serial, so that guessing tells nothing.
    Reason.OTHER_SERIAL: "The messages name {}, not the serial you entered. If it is your logger's, all is well.",
    Reason.ANOTHER_DEVICE: "The message names {}, and this login is not that device's. Give each device its own login.",
    Reason.BAD_TIME: "The time in the message cannot be right; the time of arrival was used. Check the clock.",
    Reason.STORE_REFUSED: "The store did not take this reading: {}.",
    Reason.TOO_FAST: "The login sends more than {}. What is beyond is not stored: send less often.",
    Reason.TOO_MUCH: "The login went on sending too much. None of its messages is stored until {}.",
    Reason.QUARANTINED: "This login is in quarantine: what it sends is kept aside until you let it speak again.",
    Reason.SPOOL_SHARE: "The store was away so long that no more than {} could be kept for this inverter.",
    Reason.INVERTER_DELETED: "The inverter was deleted while readings of it waited for the store. They were dropped.",
    Reason.NOT_UNDERSTOOD: "The bridge failed on this message. It is kept; the fault is ours.",
}

_DETAIL_LENGTH = 300
_SHOWN_LENGTH = 160


def sentence(reason: Reason, subject: str = "") -> str:
    """The owner's sentence; ``subject`` is a name or number out of the message, cut to what fits on a line."""
    shown = "".join(character if character.isprintable() else "?" for character in subject)
    if len(shown) > _SHOWN_LENGTH:
        shown = shown[:_SHOWN_LENGTH] + "…"
    return SENTENCES[reason].format(shown)[:_DETAIL_LENGTH]
