"""The schemas of what programs send, as exactly as it is checked. Litestar's own leave out half of it."""

from typing import Any

from portal.credentials.forms import LONGEST_SERIAL, LONGEST_VERSION, MOST_MPPTS, MOST_RATED_W, VERSION_PATTERN

LONGEST_FIELD = 254
"""Of a log-in form, in characters."""

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_FIELD}
_METADATA: dict[str, dict[str, Any]] = {
    "sw_version": {"type": "string", "minLength": 1, "maxLength": LONGEST_VERSION, "pattern": VERSION_PATTERN},
    "rated_power": {"type": "integer", "minimum": 1, "maximum": MOST_RATED_W, "description": "In watts."},
    "number_of_mppts": {"type": "integer", "minimum": 1, "maximum": MOST_MPPTS},
}

BODIES: dict[str, dict[str, Any]] = {
    "PasswordForm": {
        "title": "PasswordForm",
        "description": "Other fields of OAuth 2's password style are ignored.",
        "type": "object",
        "required": ["username", "password"],
        "properties": {
            "username": {**_TEXT, "description": "The account's e-mail address."},
            "password": {**_TEXT, "format": "password"},
            "otp": {
                "type": "string",
                "maxLength": LONGEST_FIELD,
                "description": "The present code of the account's second factor, or a recovery code, where it has one.",
            },
        },
        "example": {"username": "alice@example.org", "password": "nine green bottles"},
    },
    "WhichSerial": {
        "title": "WhichSerial",
        "description": "Whose write token is wanted.",
        "type": "object",
        "required": ["serial"],
        "additionalProperties": False,
        "properties": {
            "serial": {
                "type": "string",
                "maxLength": LONGEST_SERIAL,
                "description": "As anybody writes it: blanks, hyphens and small letters do not matter.",
            },
        },
        "example": {"serial": "27-1111 1111"},
    },
    "Metadata": {
        "title": "Metadata",
        "description": "At least one of the three; what is not named, or null, stays as it is.",
        "type": "object",
        "anyOf": [
            {"required": [name], "properties": {name: {"type": told["type"]}}} for name, told in _METADATA.items()
        ],
        "additionalProperties": False,
        "properties": {name: {**told, "type": [told["type"], "null"]} for name, told in _METADATA.items()},
        "example": {"sw_version": "1.2.7", "rated_power": 800, "number_of_mppts": 2},
    },
}
