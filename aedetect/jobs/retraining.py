"""Whether a detector is to be trained again: the age of its champion, and a change of normal.

After a change a training learns the rows since then alone, and waits until there are enough of
them; another one follows with twice as many, until `[training] window` is full: `normal_change`.

All times are those of the data, so that a run that is repeated decides the same. Of two trainings
that are started for age or drift, at least `[training] hold_off` lies between the data that they
were started with; it counts when a training has ended, whether it gave a version or failed, so that
one that was killed is started again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.drift import find_shifts
from aedetect.errors import AedetectError, UnknownModel
from aedetect.jobs.dataset import data_fingerprint
from aedetect.jobs.normal_change import enough_of, find_change, knows
from aedetect.jobs.table_clock import shown_clock
from aedetect.logs import log_event
from aedetect.output import list_files
from aedetect.output.partitions import SCORES
from aedetect.registry.gate_record import GATE_PASSED, IN_SHADOW
from aedetect.registry.promotions import read_promotions
from aedetect.registry.records import CHAMPION, CHANGED_AT, FINGERPRINT
from aedetect.registry.tags import read_model_tags, set_model_tag
from aedetect.timestamps import NANOSECONDS, format_duration, parse_duration, round_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.drift import Shift
    from aedetect.jobs.finished_run import Finished
    from aedetect.registry import Registered
    from aedetect.wall_clock import WallClock

logger = logging.getLogger(__name__)
BECAUSE = "trained_because"  # tag of a version
_ATTEMPT = "retraining"  # tag of the registered model: the last training that was started for this


@dataclass(frozen=True, kw_only=True)
class RetrainingDue:
    """Why a detector is to be trained again, and up to which data that is known."""

    because: str
    newest: str  # end of the newest partition, ISO
    since: str | None = None  # ISO: from when on normal is what it is now; None: it did not change
    length: int = 0  # ns from then to the newest

    @property
    def text(self) -> str:
        """The reason as a warning says it."""
        return f"a new training is due: {self.because}"

    def learning(self, config: Config) -> Config:
        """Return the settings with which it is trained: no rows from before a change are learnt.

        Without `[training] window` people say which rows those are.
        """
        window = config.training.window
        if self.since is None or window is None or parse_duration(window) <= self.length:
            return config
        days = self.length // NANOSECONDS["d"]  # whole ones, as people write them
        shorter = f"{days}d" if days else format_duration(self.length)
        return replace(config, training=replace(config.training, window=shorter))

    def tags(self, config: Config) -> dict[str, str]:
        """Return what is kept with the version: why it was trained, and what its window was cut to.

        `config` holds the settings with which it is to be trained.
        """
        cut = self.since is not None and self.learning(config) != config
        return {BECAUSE: self.because} | ({CHANGED_AT: str(self.since)} if cut else {})


def retraining_due(
    config: Config, *, shifts: Sequence[Shift] | None = None
) -> RetrainingDue | None:
    """Return why a detector is to be trained again; None when it is not, or was lately.

    A version that passed the gate and is not the champion yet waits for a decision of people, not
    for another training. `shifts` are those of the last day, where somebody has looked.
    """
    settings, uri = config.training, config.tracking_uri
    files = list_files(config.output, SCORES)
    if not files or not (settings.on_drift or settings.max_age):
        return None
    try:
        champion = registry.find_version(config.name, tracking_uri=uri)
    except UnknownModel:
        return None
    clock = shown_clock(config)
    newest = files[-1].partition.bounds(clock)[1]
    last = read_model_tags(config.name, tracking_uri=uri).get(_ATTEMPT)
    if last and newest - clock.parse(json.loads(last)["at"]) < parse_duration(settings.hold_off):
        return None
    if shifts is None and config.training.on_drift:
        shifts = find_shifts(config.output)
    # Another version judged the last day: its drift is not the champion's.
    mine = files[-1].origin().model_version == champion.version
    change = find_change(config, champion, clock, shifts if mine and shifts else ())
    because = _age(config, champion, clock, newest)
    if change is not None:
        if newest - change.since >= enough_of(config, champion, clock, change.since):
            because = change.because
        elif not knows(champion, clock, change.since):
            because = None  # of age neither: too little is known of what is normal now
    if because is None or _is_waiting(config, champion):
        return None
    return RetrainingDue(
        because=because,
        newest=clock.iso(newest),
        since=None if change is None else clock.iso(change.since),
        length=0 if change is None else newest - change.since,
    )


def suggest_training(config: Config, due: RetrainingDue) -> str:
    """Say that a training is due, where nothing can start one, and what it should learn."""
    window = due.learning(config).training.window
    shorter = "" if window == config.training.window else f" --set training.window={window}"
    return f"{due.text}: `aedetect train CONFIG{shorter}`, or let `aedetect schedule` do it"


def with_retraining(
    config: Config, finished: Finished, start: Callable[[Config, RetrainingDue], str]
) -> Finished:
    """Start a training that is due after a scoring run; say so in its warnings.

    A failure is a warning: the verdicts are written.
    """
    if not (config.training.on_drift or config.training.max_age):
        return finished
    try:
        due = retraining_due(config, shifts=finished.shifts)
        text = None if due is None else start(config, due)
    except AedetectError as error:
        text = f"no new training was started: {error}"
    return finished if text is None else finished.with_warning(text)


@contextmanager
def noting_attempt(config: Config, due: RetrainingDue) -> Iterator[None]:
    """Keep on record that a training was started for age or drift, once it has ended."""
    outcome = "no version: it failed"
    try:
        yield
        outcome = "a new version"
    except AedetectError as error:
        outcome = f"no version: {error}"
        raise
    except Exception as error:
        outcome = f"no version: {type(error).__name__}"
        raise
    finally:
        kept = {"at": due.newest, "because": due.because, "outcome": outcome}
        log_event(logger, "retraining", **kept)
        set_model_tag(config.name, _ATTEMPT, json.dumps(kept), tracking_uri=config.tracking_uri)


def _age(config: Config, champion: Registered, clock: WallClock, newest: int) -> str | None:
    """Say that what the champion knows is too old; None if it is not."""
    most, known = config.training.max_age, champion.tags.get("held_out_until")
    if most is None or known is None:
        return None
    age = newest - clock.parse(known)
    if age <= parse_duration(most):
        return None
    return (
        f"{champion.reference} knows data up to {known}, {round_duration(age)} before the newest, "
        f"and [training] max_age is {most}"
    )


def _is_waiting(config: Config, champion: Registered) -> bool:
    """Whether a newer version may replace the champion, or there are no other data to learn."""
    uri = config.tracking_uri
    newer = [
        each
        for each in registry.list_versions(name=config.name, tracking_uri=uri)
        if each.version > champion.version and CHAMPION not in each.aliases
    ]
    state = newer[0].tags.get(GATE_PASSED) if newer else None
    taken_back = newer and newer[0].version in {
        each.version for each in read_promotions(config.name, tracking_uri=uri)
    }
    if state == "yes" and not taken_back:
        return True
    if state == IN_SHADOW and config.promotion.shadow is not None:
        return True
    newest = newer[0] if newer else champion
    same = newest.tags.get(FINGERPRINT) == data_fingerprint(config)
    return same and newest.tags.get("config_hash") == config.hash
