"""How often one network address may use the forms that cost something. Fixed windows, counted in memory."""

from litestar.middleware import DefineMiddleware
from litestar.middleware.rate_limit import DurationUnit, RateLimitConfig


def _limit(name: str, unit: DurationUnit, most: int) -> DefineMiddleware:
    # Each limit needs a store of its own: with one store they would count each other's requests (portal-stack 2).
    return RateLimitConfig(rate_limit=(unit, most), store=f"limit_{name}", set_rate_limit_headers=False).middleware


LOG_IN = _limit("log_in", "minute", 30)
SIGN_UP = _limit("sign_up", "hour", 60)
MAIL_ME = _limit("mail_me", "hour", 30)
TOKENS = _limit("tokens", "minute", 30)
COLLECTORS = _limit("collectors", "minute", 600)
