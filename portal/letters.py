"""What our mails say: subject, text and HTML from templates. Sending them is ``mail``'s business."""

from dataclasses import dataclass

from portal.template_files import environment

_PAGES = environment()


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its address."""

    subject: str
    text: str
    html: str


def _letter(name: str, subject: str, **context: str) -> Letter:
    return Letter(
        subject=subject,
        text=_PAGES.get_template(f"emails/{name}.txt").render(context),
        html=_PAGES.get_template(f"emails/{name}.html").render(subject=subject, **context),
    )


def confirm_address(base_url: str, token: str) -> Letter:
    """The link that confirms a new account's address."""
    return _letter("confirm", "Confirm your address", link=f"{base_url}/verify?token={token}")


def account_exists(base_url: str) -> Letter:
    """Somebody signed up with an address that has an account already: only its owner is told."""
    return _letter(
        "account_exists", "You already have an account", login=f"{base_url}/login", reset=f"{base_url}/reset"
    )


def set_password(base_url: str, token: str) -> Letter:
    """The link that sets a new password."""
    return _letter("set_password", "Set a new password", link=f"{base_url}/reset/set?token={token}")


def password_changed(base_url: str) -> Letter:
    """The notice after a password was set."""
    return _letter("password_changed", "Your password was changed", reset=f"{base_url}/reset")
