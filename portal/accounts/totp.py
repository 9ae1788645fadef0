"""Time-based codes (RFC 6238): the secret, its address for an authenticator app, the step a code belongs to. No I/O."""

from datetime import datetime
from hmac import compare_digest

import pyotp
import segno
from markupsafe import Markup

ISSUER = "Deye Hard"
DIGITS = 6
# One step of 30 s before and after: clocks of telephones go wrong, and people type slowly.
DRIFT_STEPS = 1

_GROUP = 4


def new_secret() -> str:
    """160 random bits in base32, which is what RFC 4226 asks for and every app takes."""
    return pyotp.random_base32()


def address(secret: str, email: str) -> str:
    """The ``otpauth:`` address that an authenticator app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def drawn(text: str) -> Markup:
    """``text`` as a QR code: SVG for a page, in attributes alone, for the content policy allows no style in a page.

    It brings its white margin along: readers want dark on light, in a dark page too.
    """
    drawing = segno.make(text, error="m", micro=False).svg_inline(
        border=4, omitsize=True, light="#fff", svgclass="qr", lineclass=None, title="QR code"
    )
    return Markup(drawing)  # noqa: S704  # made of our own characters alone: a path's numbers


def in_groups(secret: str) -> str:
    """The secret for people who type it: groups of four."""
    return " ".join(secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP))


def step_of(secret: str, code: str, *, after: int | None, now: datetime) -> int | None:
    """The time step that ``code`` belongs to, None where it fits none of those around ``now``.

    ``after`` is the last step whose code was used: that one and those before it fit no more.
    """
    code = code.replace(" ", "")
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    codes = pyotp.TOTP(secret)
    here = codes.timecode(now)
    for step in range(here - DRIFT_STEPS, here + DRIFT_STEPS + 1):
        if (after is None or step > after) and compare_digest(codes.generate_otp(step), code):
            return step
    return None
