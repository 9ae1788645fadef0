"""What our mails say: subject, text and HTML from templates. Sending them is ``mail``'s business.

``language`` is the reader's where an account tells it; else the mail is in that of the page which caused it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from portal.template_files import environment
from portal.words import N_, _, reader_of, speaking

_PAGES = environment()


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its address."""

    subject: str
    text: str
    html: str


def _letter(template: str, subject: str, language: str, /, **context: object) -> Letter:
    with speaking(reader_of(language)):
        spoken = _(subject)
        return Letter(
            subject=spoken,
            text=_PAGES.get_template(f"emails/{template}.txt").render(context),
            html=_PAGES.get_template(f"emails/{template}.html").render(subject=spoken, **context),
        )


def confirm_address(base_url: str, token: str, *, language: str = "") -> Letter:
    """The link that confirms a new account's address."""
    return _letter("confirm", N_("Confirm your address"), language, link=f"{base_url}/verify?token={token}")


def account_exists(base_url: str, *, language: str = "") -> Letter:
    """Somebody signed up with an address that has an account already: only its owner is told."""
    return _letter(
        "account_exists",
        N_("You already have an account"),
        language,
        login=f"{base_url}/login",
        reset=f"{base_url}/reset",
    )


def set_password(base_url: str, token: str, *, language: str = "") -> Letter:
    """The link that sets a new password."""
    return _letter("set_password", N_("Set a new password"), language, link=f"{base_url}/reset/set?token={token}")


def password_changed(base_url: str, *, language: str = "") -> Letter:
    """The notice after a password was set."""
    return _letter("password_changed", N_("Your password was changed"), language, reset=f"{base_url}/reset")


def second_factor_on(base_url: str, *, language: str = "") -> Letter:
    """The notice after two-step log-in was switched on."""
    return _letter("second_factor_on", N_("Two-step log-in is on"), language, reset=f"{base_url}/reset")


def second_factor_off(base_url: str, *, language: str = "") -> Letter:
    """The notice after it was switched off."""
    return _letter("second_factor_off", N_("Two-step log-in is off"), language, reset=f"{base_url}/reset")


def recovery_codes_made(base_url: str, *, language: str = "") -> Letter:
    """The notice after new recovery codes took the place of the old ones."""
    return _letter("recovery_codes_made", N_("New recovery codes were made"), language, reset=f"{base_url}/reset")


def recovery_code_used(base_url: str, left: int, *, language: str = "") -> Letter:
    """The notice after somebody came in with a recovery code; ``left`` are still good."""
    more, reset = f"{base_url}/account/security", f"{base_url}/reset"
    return _letter(
        "recovery_code_used", N_("A recovery code was used"), language, left=str(left), more=more, reset=reset
    )


def api_key_made(base_url: str, *, language: str = "") -> Letter:
    """The notice after an API key was made."""
    return _letter("api_key_made", N_("An API key was made"), language, keys=f"{base_url}/account/keys")


def collector_sweeps(base_url: str, name: str, new: int, *, stopped: bool, language: str = "") -> Letter:
    """The alarm that a collector (or an administrator's program) asks for one new serial after the other."""
    return _letter(
        "collector_stopped" if stopped else "collector_sweeps",
        N_("Somebody asks for write tokens of many inverters"),
        language,
        name=name,
        new=str(new),
        collectors=f"{base_url}/admin/collectors",
    )


def password_changed_here(base_url: str, *, language: str = "") -> Letter:
    """The notice after a signed-in person changed the password."""
    return _letter("password_changed_here", N_("Your password was changed"), language, reset=f"{base_url}/reset")


def confirm_new_address(base_url: str, token: str, *, language: str = "") -> Letter:
    """The link that proves the new address of an account."""
    return _letter(
        "confirm_new_address",
        N_("Confirm your new address"),
        language,
        link=f"{base_url}/account/email/confirm?token={token}",
    )


def address_changed(base_url: str, token: str, *, language: str = "") -> Letter:
    """The notice to the old address, with the link that undoes the change."""
    return _letter(
        "address_changed", N_("Your address was changed"), language, link=f"{base_url}/account/email/undo?token={token}"
    )


def deletion_asked(base_url: str, token: str, day: str, *, language: str = "") -> Letter:
    """The notice that the account will be deleted on ``day``, with the link that keeps it."""
    link = f"{base_url}/account/delete/cancel?token={token}"
    return _letter("deletion_asked", N_("Your account will be deleted"), language, link=link, day=day)


def serial_yours(base_url: str, serial: str, name: str, *, language: str = "") -> Letter:
    """The notice that a contested serial was decided for the reader."""
    link = f"{base_url}/inverters"
    return _letter("serial_yours", N_("A serial is yours"), language, serial=serial, inverter=name, link=link)


def serial_not_yours(base_url: str, serial: str, name: str, *, language: str = "") -> Letter:
    """The notice that a contested serial was decided against the reader."""
    link = f"{base_url}/inverters"
    return _letter(
        "serial_not_yours", N_("A serial is somebody else's"), language, serial=serial, inverter=name, link=link
    )


def serial_asked(base_url: str, inverter_id: UUID, serial: str, name: str, *, language: str = "") -> Letter:
    """The question to whoever holds a serial: somebody says that he has the device now."""
    link = f"{base_url}/inverters/{inverter_id}/serial"
    return _letter(
        "serial_asked",
        N_("Somebody asks for a serial of yours"),
        language,
        serial=serial,
        inverter=name,
        link=link,
    )


def serial_left(base_url: str, inverter_id: UUID, serial: str, name: str, *, language: str = "") -> Letter:
    """The notice to whoever asked for a serial: its holder has said yes."""
    link = f"{base_url}/inverters/{inverter_id}"
    return _letter("serial_left", N_("A serial is yours"), language, serial=serial, inverter=name, link=link)


def take_over(base_url: str, token: str, inviter: str, *, language: str = "") -> Letter:
    """The link with which the address takes a home over from ``inviter``, an address too."""
    link = f"{base_url}/invitation?token={token}"
    return _letter("take_over", N_("Take over your home"), language, inviter=inviter, link=link)


def look_at(base_url: str, token: str, inviter: str, *, language: str = "") -> Letter:
    """The link with which the address may look at the home of ``inviter``, an address too."""
    link = f"{base_url}/invitation?token={token}"
    return _letter("look_at", N_("You are invited to look at solar power"), language, inviter=inviter, link=link)


def taken_over(base_url: str, owner_id: UUID, *, language: str = "") -> Letter:
    """The notice to a home's new owner, with what is to be done."""
    return _letter("taken_over", N_("The home is yours"), language, link=f"{base_url}/homes/{owner_id}/people")


def gave_away(base_url: str, home: str, email: str, *, language: str = "") -> Letter:
    """The notice to whoever handed a home over: ``email`` has accepted."""
    return _letter("gave_away", N_("A home was taken over"), language, home=home, email=email, link=f"{base_url}/homes")


def looks_now(base_url: str, owner_id: UUID, email: str, *, language: str = "") -> Letter:
    """The notice to an owner that somebody invited has accepted."""
    link = f"{base_url}/homes/{owner_id}/people"
    return _letter("looks_now", N_("Your invitation was accepted"), language, email=email, link=link)


def declined(base_url: str, owner_id: UUID, email: str, *, language: str = "") -> Letter:
    """The notice to whoever has invited somebody that the answer is no."""
    link = f"{base_url}/homes/{owner_id}/people"
    return _letter("declined", N_("Your invitation was declined"), language, email=email, link=link)


def looks_no_longer(base_url: str, owner: str, *, language: str = "") -> Letter:
    """The notice to a reader that ``owner``, an address, has ended the look. It says no word that the owner wrote."""
    return _letter("looks_no_longer", N_("You can look no longer"), language, owner=owner, link=f"{base_url}/homes")


def noticed(base_url: str, title: str, tellings: Sequence[object], *, language: str = "") -> Letter:
    """What an owner should know: ``tellings`` are those of ``portal.notices``, of one kind, in that language."""
    return _letter("notice", title, language, base_url=base_url, tellings=tellings)
