"""The cookies that we set: for our own pages and no script, bound to this host where they are secure."""

from typing import Literal

from litestar.datastructures import Cookie


def cookie_name(name: str, *, secure: bool) -> str:
    """With HTTPS browsers tie a ``__Host-`` cookie to exactly this host and refuse it without Secure."""
    return f"__Host-{name}" if secure else name


def own_cookie(
    name: str, value: str, max_age_s: int, *, secure: bool, same_site: Literal["lax", "strict"] = "lax"
) -> Cookie:
    """One that no script reads and no other site's form sends; of no age it is taken away.

    ``strict`` ones are not even sent where a link leads here from outside.
    """
    return Cookie(
        key=cookie_name(name, secure=secure),
        value=value,
        max_age=max_age_s,
        path="/",
        httponly=True,
        secure=secure,
        samesite=same_site,
    )
