"""What a serial looks like: a logger's, an inverter's or a micro-inverter's. A guess, said as one: nothing is refused.

Sources: stick loggers by Solarman have ten digits that begin with 16, 17, 21, 23, 27, 29, 40 or 41; Deye's and
Sunsynk's inverters ten that begin with year and month (davidrapan/ha-solarman #189: logger 2907…, inverter 2312…;
jmccrohan/pysolarmanv5 #11; XtheOne/Inverter-Data-Logger #37). Hoymiles and TSUN: twelve hexadecimal digits that begin
with 10 to 14 (tbnobody/OpenDTU, supported inverters).
"""

import re
from enum import StrEnum

from portal.words import N_, _

_STICK = re.compile(r"(?:16|17|21|23|27|29|40|41)\d{8}")
_YEAR_AND_MONTH = re.compile(r"(?:1[5-9]|2\d|3[0-5])(?:0[1-9]|1[0-2])\d{6}")
_MICRO = re.compile(r"1[0-4][0-9A-F]{10}")


class Likely(StrEnum):
    """Whose serial it may be."""

    LOGGER = "logger"
    INVERTER = "inverter"
    EITHER = "either"
    MICRO = "micro"
    UNKNOWN = "unknown"


_SENTENCES = {
    Likely.LOGGER: N_(
        "This looks like the serial of a logger (the stick or box with the antenna). That is fine: programs that read "
        "through it send this one."
    ),
    Likely.INVERTER: N_(
        "This looks like the serial of the inverter itself. Programs that read through a logger stick send the stick's "
        "own serial: it is on the stick, and in the name of its Wi-Fi (AP_…)."
    ),
    Likely.EITHER: N_(
        "This can be the serial of a logger stick or of the inverter itself; both have ten digits. The stick's is also "
        "in the name of its Wi-Fi (AP_…)."
    ),
    Likely.MICRO: N_("This looks like a micro-inverter that is read by radio, through OpenDTU or AhoyDTU."),
}


def likely(serial: str) -> Likely:
    """Whose a normalised serial may be."""
    stick, dated = _STICK.fullmatch(serial), _YEAR_AND_MONTH.fullmatch(serial)
    if stick and dated:
        return Likely.EITHER
    if stick:
        return Likely.LOGGER
    if dated:
        return Likely.INVERTER
    return Likely.MICRO if _MICRO.fullmatch(serial) else Likely.UNKNOWN


def hint(serial: str) -> str:
    """What to know about this serial, empty where it tells nothing."""
    found = likely(serial)
    return _(_SENTENCES[found]) if found in _SENTENCES else ""
