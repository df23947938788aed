"""Column rules that a calibration accepts as a new normal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.accepted_rules import by_reason
from aedetect.detector.rules import CONSTANT, NONE, STUCK, UNSEEN, rule_reasons

if TYPE_CHECKING:
    from aedetect.arrays import Int8, Int32
    from aedetect.calibration.accepted_rules import AcceptedRule
    from aedetect.data import Feature

_MAY_STAY = (CONSTANT, UNSEEN, STUCK)  # the others end by themselves


def acceptable_reasons(features: Sequence[Feature]) -> tuple[str, ...]:
    """Return the reasons of rules that can flag every row from some day on."""
    told = rule_reasons(features)
    width = len(features)
    return tuple(text for rule in _MAY_STAY for text in told[(rule - 1) * width : rule * width])


def without_accepted(
    broken: Int8, entity: Int32, accepted: Sequence[AcceptedRule], features: Sequence[Feature]
) -> Int8:
    """Return which rule each cell breaks without accepted ones: (R, F), changed in place."""
    if not accepted:
        return broken
    places = {text: place for place, text in enumerate(rule_reasons(features))}
    for reason, codes in by_reason(accepted).items():
        if reason in places:
            rule, column = divmod(places[reason], len(features))
            mine = (broken[:, column] == rule + 1) & np.isin(entity, codes)
            broken[mine, column] = NONE
    return broken
