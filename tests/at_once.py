"""How many equal forms are sent at once: a dozen in every run of the tests, fifty in the long form (``make forms``)."""

import os

AT_ONCE = 50 if os.environ.get("FORMS") == "long" else 12
