"""Whether vectors of the static table already tell clearly which adapter it is; pure arithmetic, its numbers fitted once."""

from __future__ import annotations

import math
from typing import NamedTuple

CLEAR = 0.99
"""From this probability on nobody else is asked."""


class Glance(NamedTuple):
    """What speaks for the adapter that looks best at first sight; leads are over the one that looks second best."""

    above: float
    """Score beyond what a prompt that fits nothing still gets."""
    lead: float
    nearest_lead: float
    """Cosine to the most similar text of a card, beyond the other's."""
    words: float
    words_lead: float
    beyond_generic: float
    """How much more like its texts the prompt is than like the generic prompt nearest to it."""


# A logistic regression over sets of 2 to 150 adapters with 5 and 20 examples each, from prompts of known and of unseen
# sources and such that fit none, each set weighed alike. On kinds of prompts that it was not fitted to, 0.99 meant 0.97 to 1.0.
_CONSTANT = -2.588
_WEIGHTS = Glance(above=2.954, lead=2.889, nearest_lead=3.684, words=4.528, words_lead=4.439, beyond_generic=5.108)


def clearness(glance: Glance) -> float:
    """Return the probability, 0..1, that the encoder would choose the same adapter."""
    raw = _CONSTANT + sum(weight * value for weight, value in zip(_WEIGHTS, glance, strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, raw))))
