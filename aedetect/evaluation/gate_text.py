"""The result of the gate in words, and as a table."""

from __future__ import annotations

from collections.abc import Sequence

from aedetect.evaluation.gate import FOUND_ALONE, Check
from aedetect.evaluation.learnt import LEARNT_FLAGGED, LEARNT_KNOWN
from aedetect.evaluation.shadow import SHADOW_DAYS

_COUNTS = {"rows", SHADOW_DAYS}  # names of checks that are numbers of things


def gate_words(checks: Sequence[Check], failed: Sequence[Check], against: str) -> str:
    """Say whether a version may replace the champion, and why."""
    if not failed:
        facts = "; ".join(f"{each.text}: {_value(each)}{_doubt(each)}" for each in checks)
        return f"{against} passed the gate: {facts}"
    facts = "; ".join(f"{each.text}: {_value(each)}, {_limit(each)}" for each in failed)
    return f"{against} did not pass the gate: {facts}"


def _value(check: Check) -> str:
    if check.name in _COUNTS:
        return f"{check.challenger:,.0f}"
    if check.name in {"rank_agreement", FOUND_ALONE}:
        return f"{check.challenger:.2f}"
    if check.name == LEARNT_FLAGGED:
        return f"{check.challenger:.3g} (of recent rows {check.champion:.3g})"
    if check.name == LEARNT_KNOWN:
        return f"{check.challenger:.3g}"
    return f"{check.challenger:.3g} (champion {check.champion:.3g})"


def _doubt(check: Check) -> str:
    """Say of a challenger that found fewer why it passes: what chance leaves of the difference."""
    if not check.greater_is_better or not _is_difference(check) or check.name == LEARNT_KNOWN:
        return ""
    alone = check.name == FOUND_ALONE
    fewer = 0.5 - check.challenger if alone else check.champion - check.challenger
    return f", {_limit(check)}" if fewer > (0.0 if alone else -check.limit) else ""


def _is_difference(check: Check) -> bool:
    """Whether its evidence is a difference from the champion, not the figure itself."""
    return check.evidence != check.challenger or check.limit < 0


def _limit(check: Check) -> str:
    """Say what is needed, and how far the challenger is from it at best."""
    if not _is_difference(check):
        word = "at least" if check.greater_is_better else "at most"
        return f"{word} {check.limit:.3g} is needed"
    if check.name == FOUND_ALONE:
        return f"as many with a probability of {check.evidence:.2g}, {check.limit:.2g} is needed"
    if check.name == LEARNT_FLAGGED:
        return f"at least {check.evidence:.3g} more, and {check.limit:.3g} more is allowed"
    if check.name == LEARNT_KNOWN:
        return f"at least {check.evidence:.3g}, and {check.limit:.3g} is allowed"
    if check.greater_is_better:
        sure = f"at least {-check.evidence:.3g} less" if check.evidence < 0 else "by chance as many"
        return f"{sure}, and {-check.limit:.3g} less is allowed"
    return f"a factor of at least {check.evidence:.3g}, and {check.limit:.3g} is allowed"


def gate_table(checks: Sequence[Check], failed: Sequence[Check]) -> dict[str, list[object]]:
    """Return the checks as columns of a table."""
    if not checks:
        return {}
    return {
        "measure": [each.name for each in checks],
        "challenger": [float(each.challenger) for each in checks],
        "champion": [float(each.champion) for each in checks],
        "evidence": [float(each.evidence) for each in checks],
        "limit": [float(each.limit) for each in checks],
        "passed": [each not in failed for each in checks],
        "meaning": [each.text for each in checks],
    }
