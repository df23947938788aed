"""The gate: a challenger replaces the champion only on evidence from rows that neither learnt."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.detector import CalibratedScorer
from aedetect.errors import AedetectError, UnknownModel
from aedetect.evaluation.gate import Check
from aedetect.evaluation.gate_text import gate_table, gate_words
from aedetect.evaluation.shadow import SHADOW_DAYS, shadow_checks
from aedetect.jobs import gate_rows, shadow
from aedetect.jobs.gate_comparison import compare_on_rows
from aedetect.jobs.learnt_rows import read_learnt
from aedetect.jobs.training_source import rows_to_compare
from aedetect.logs import log_event
from aedetect.output.scratch import temporary_folder
from aedetect.registry.gate_record import IN_SHADOW, failed_checks, record_gate
from aedetect.registry.history import Decision
from aedetect.registry.records import CHAMPION

if TYPE_CHECKING:
    from aedetect.config import Config

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """Whether a version may replace the champion, and why."""

    version: int
    champion: int
    passed: bool
    words: str
    checks: tuple[Check, ...]


def run_gate(config: Config, registered: registry.Registered) -> GateResult | None:
    """Compare a version with the champion and record the result; None if it is the champion.

    What cannot be compared does not pass; the reason is in the words.
    """
    uri = config.tracking_uri
    if CHAMPION in registered.aliases:
        return None
    try:
        champion = registry.find_version(config.name, tracking_uri=uri)
    except UnknownModel:
        return None
    if champion.version == registered.version:
        return None
    try:
        checks = (*_measured(config, registered, champion), *_shadow(config, registered, champion))
        failed = failed_checks(checks)
        words = gate_words(checks, failed, f"{registered.reference} against {champion.reference}")
    except AedetectError as error:
        checks, failed = (), []
        words = f"{registered.reference} cannot be compared with {champion.reference}: {error}"
    passed = bool(checks) and not failed
    log_event(logger, "gate", passed=passed, text=words)
    record_gate(
        registered,
        metrics={each.name: float(each.challenger) for each in checks},
        table=gate_table(checks, failed),
        champion=champion.version,
        words=words,
        passed=_outcome(failed) if checks else "no",
        tracking_uri=uri,
    )
    return GateResult(
        version=registered.version,
        champion=champion.version,
        passed=passed,
        words=words,
        checks=checks,
    )


def settle_challenger(config: Config, registered: registry.Registered) -> registry.Registered:
    """Send a new version through the gate; promote it if it passes and `[promotion]` says so."""
    result = run_gate(config, registered)
    if result is None:
        return registered
    if result.passed and config.promotion.automatic:
        decision = Decision(action="automatic", why=result.words)
        registry.promote_version(registered, tracking_uri=config.tracking_uri, decision=decision)
    return registry.find_version(registered.reference, tracking_uri=config.tracking_uri)


def _measured(
    config: Config, registered: registry.Registered, champion: registry.Registered
) -> tuple[Check, ...]:
    versions = {"challenger": registered, "champion": champion}
    detectors = {
        role: CalibratedScorer.load(registry.fetch_version(each, tracking_uri=config.tracking_uri))
        for role, each in versions.items()
    }
    new, old = detectors["challenger"].scorer, detectors["champion"].scorer
    gate_rows.check_columns(new.schema, old.schema)
    since = 1 + max(
        gate_rows.learnt_until(config, detectors[role], each.tags.get("trained_until"))
        for role, each in versions.items()
    )
    before = max(new.lookback, old.lookback)
    files = rows_to_compare(config, since=since)
    with temporary_folder() as scratch:
        rows = {
            role: gate_rows.newest_rows(
                each.scorer.schema, files, since=since, before=before, scratch=scratch / role
            )
            for role, each in detectors.items()
        }
        learnt = read_learnt(registered)
        return compare_on_rows(config, detectors, rows, files, since=since, learnt=learnt)


def _shadow(
    config: Config, registered: registry.Registered, champion: registry.Registered
) -> tuple[Check, ...]:
    """Return the checks of the time in shadow, where the settings ask for it."""
    if config.promotion.shadow is None:
        return ()
    place = registry.fetch_version(registered, tracking_uri=config.tracking_uri)
    gap = CalibratedScorer.load(place).scorer.schema.max_gap
    found = shadow.compare_shadow(config, registered, max_gap=gap)
    predicted = [float(each.tags.get("events_a_day", 0)) for each in (registered, champion)]
    needed = shadow.needed_days(config)
    return shadow_checks(found, (predicted[0], predicted[1]), config.promotion, needed=needed)


def _outcome(failed: Sequence[Check]) -> str:
    """Return the tag of a result: a version that lacks nothing but time scores in shadow."""
    names = {each.name for each in failed}
    return IN_SHADOW if names == {SHADOW_DAYS} else "no" if names else "yes"
