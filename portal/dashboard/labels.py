"""What a page calls a quantity, made of its name in the catalogue, in the reader's words. Pure."""

import re

from portal.words import N_, _
from schema.quantities import EXTRA_PREFIX

_WORDS = {"ac": "AC", "dc": "DC", "ct": "CT", "soc": "charge", "igbt": "IGBT", "gen": "generator"}
_NUMBERED = re.compile(r"\b(PV|L)(\d+)\b")

# For the catalogues of words: every label that the quantities have, and the words of their states.
LABELS = (
    N_("Day energy"),
    N_("Total energy"),
    N_("Efficiency"),
    N_("Temperature"),
    N_("Temperature AC"),
    N_("Temperature IGBT"),
    N_("Temperature DC"),
    N_("Status"),
    N_("Grid connected"),
    N_("Limit percent"),
    N_("Limit power"),
    N_("Uptime"),
    N_("Time estimated"),
    N_("AC power"),
    N_("AC apparent power"),
    N_("AC reactive power"),
    N_("AC power factor"),
    N_("AC frequency"),
    N_("AC voltage"),
    N_("AC current"),
    N_("AC L%(number)s voltage"),
    N_("AC L%(number)s current"),
    N_("AC L%(number)s power"),
    N_("AC L%(number)s voltage ll"),
    N_("DC power"),
    N_("DC PV%(number)s voltage"),
    N_("DC PV%(number)s current"),
    N_("DC PV%(number)s power"),
    N_("DC PV%(number)s day energy"),
    N_("DC PV%(number)s total energy"),
    N_("Grid power"),
    N_("Grid CT power"),
    N_("Load power"),
    N_("Generator power"),
    N_("Grid L%(number)s CT power"),
    N_("Load L%(number)s power"),
    N_("Generator L%(number)s power"),
    N_("Load L%(number)s voltage"),
    N_("Generator L%(number)s voltage"),
    N_("Load frequency"),
    N_("Grid day import"),
    N_("Grid total import"),
    N_("Grid day export"),
    N_("Grid total export"),
    N_("Load day energy"),
    N_("Load total energy"),
    N_("Generator day energy"),
    N_("Generator total energy"),
    N_("Battery power"),
    N_("Battery voltage"),
    N_("Battery current"),
    N_("Battery charge"),
    N_("Battery temperature"),
    N_("Battery day charge"),
    N_("Battery total charge"),
    N_("Battery day discharge"),
    N_("Battery total discharge"),
)
STATES = (
    N_("standby"),
    N_("selfcheck"),
    N_("normal"),
    N_("alarm"),
    N_("fault"),
    N_("off"),
    N_("on"),
    N_("no"),
    N_("yes"),
)


def label_of(name: str) -> str:
    """``dc_pv1_power`` as ``DC PV1 power``; what a publisher called an extra value stays as it is."""
    words = name.removeprefix(EXTRA_PREFIX).split("_")
    spoken = [_WORDS.get(word, word.upper() if word[:2] in {"pv", "l1", "l2", "l3"} else word) for word in words]
    text = " ".join(spoken)
    label = text[:1].upper() + text[1:]
    numbered = _NUMBERED.search(label)
    if numbered is None:
        return _(label)
    return _(_NUMBERED.sub(r"\1%(number)s", label, count=1), number=numbered[2])
