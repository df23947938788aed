"""What a threshold promises, as far as the evidence goes: kept as it is, widened, or refused.

A conformal threshold flags at most the promised share of normal rows if rows to come are like those
held out. A young detector does not know that they are. What it is widened by is the product of

- how uncertain the share is of so few rows: the 95 % bound of the share above a rank (a beta
  distribution; Vovk 2012: Conditional validity of inductive conformal predictors), with as many
  rows as there are stretches of flagged ones (the design effect of clusters, Kish 1965)
- how far levels drift, from the learnt to the held-out part and within it: see `calibration.trust`

Where the drift cannot be measured either, nothing is promised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from aedetect.arrays import Bool
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.trust import YOUNG_CYCLES, trust_of
from aedetect.timestamps import NANOSECONDS
from aedetect.wording import percent

PromiseState = Literal["kept", "widened", "refused"]
_COVERAGE = 0.95
_TINY = 1e-12
_REMEDY = "train on more days, or again when more have come"
_FOLLOW = ', or let the thresholds follow ([calibration] renew = "1d")'
USELESS = 0.5  # share of normal rows: a bound above it promises nothing


@dataclass(frozen=True)
class Promise:
    """The share of normal rows flagged at most."""

    share: float  # what the threshold was chosen for
    upper: float | None  # what the evidence leaves open; None: nothing is promised
    reason: str = ""  # why it is widened or refused
    learnt: float | None = None  # drift since the learnt part, `trust.learnt_drift`

    @property
    def state(self) -> PromiseState:
        """Whether it stands as it was chosen."""
        if self.upper is None:
            return "refused"
        return "widened" if self.upper > self.share else "kept"

    def bound(self, share: float) -> float | None:
        """Return the bound of an entity for which another share was chosen."""
        if self.upper is None:
            return None
        return min(share * (self.upper / self.share), 1.0) if self.share else self.upper

    @property
    def headline(self) -> str:
        """What is promised, in a few words."""
        if self.upper is None:
            return f"no promise ({percent(self.share)} of normal rows aimed at)"
        return f"flags at most {percent(self.upper)} of normal rows"

    def caution(self, *, renewed: bool) -> tuple[str, ...]:
        """Say why it is widened or refused, and the remedy; empty when it is kept.

        `renewed`: the thresholds follow already.
        """
        if self.state == "kept":
            return ()
        why = "refused" if self.upper is None else f"widened from {percent(self.share)}"
        return f"{why}: {self.reason}", f"remedy: {_REMEDY}{'' if renewed else _FOLLOW}"

    def in_one_line(self, *, renewed: bool) -> str:
        """Return the promise with its caution, without a subject."""
        return "; ".join((self.headline, *self.caution(renewed=renewed)))

    def grown(self, scored: int) -> Promise:
        """Return the promise of a renewal, from rows of so much time (ns) after the held-out ones.

        Once they show daily cycles it stands: the threshold was chosen on recent rows.
        """
        if scored < YOUNG_CYCLES * NANOSECONDS["d"]:
            return self
        return replace(self, upper=self.share, reason="")


def make_promise(
    rows: HeldOut, flagged: Bool, *, share: float, mean: float, learnt: float | None
) -> Promise:
    """Return what is promised by the evidence of normal held-out rows.

    Shapes: flagged (n,) rows at or above their threshold. `share` is what the pooled threshold was
    chosen for, `mean` the mean over all rows.
    """
    trust = trust_of(rows, learnt=learnt)
    if not trust.is_young:
        return Promise(share, share, learnt=learnt)
    if trust.factor is None:
        return Promise(share, None, trust.text, learnt)
    times = max(_upper(rows, flagged) / max(mean, _TINY), 1.0) * max(trust.factor, 1.0)
    upper = share * times
    return Promise(share, None if upper > USELESS else upper, trust.text, learnt)


def _upper(rows: HeldOut, flagged: Bool) -> float:
    """Return the bound of the share at or above the threshold, from stretches of flagged rows."""
    from scipy.special import betaincinv

    above = int(flagged.sum())
    starts = flagged[1:] & ~(flagged[:-1] & (rows.entity[1:] == rows.entity[:-1]))
    stretches = max(int(starts.sum()) + int(flagged[:1].sum()), 1)
    size = max(above, 1) / stretches
    rest = max((len(rows) + 1 - max(above, 1)) / size, _TINY)
    return float(betaincinv(stretches, rest, _COVERAGE))
