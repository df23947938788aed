"""The gate in MLflow: thresholds of metrics, and the result on the run of a version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aedetect.registry.publish import read_version
from aedetect.registry.records import Registered
from aedetect.registry.run_tables import log_tables
from aedetect.registry.session import open_client, silenced

if TYPE_CHECKING:
    from aedetect.evaluation.gate import Check

GATE = "gate"  # tag of a version: the last result, in words
GATE_PASSED = "gate_passed"  # tag of a version: yes, no, or ...
IN_SHADOW = "shadow"  # ... all but the time in shadow


def failed_checks(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that MLflow's validation of metrics does not pass."""
    from mlflow.models.evaluation import validation
    from mlflow.models.evaluation.base import EvaluationResult

    threshold_of: Any = validation.MetricThreshold  # MLflow does not type them
    result_of: Any = EvaluationResult

    failed = []
    for each in checks:
        limit = threshold_of(threshold=float(each.limit), greater_is_better=each.greater_is_better)
        # One at a time: the exception holds a text only.
        result = result_of(metrics={each.name: float(each.evidence)}, artifacts={})
        try:
            with silenced():
                validation.validate_evaluation_results({each.name: limit}, result)
        except validation.ModelValidationFailedException:
            failed.append(each)
    return failed


def record_gate(
    registered: Registered,
    *,
    metrics: Mapping[str, float],
    table: Mapping[str, list[Any]],
    champion: int,
    words: str,
    passed: str,
    tracking_uri: str,
) -> Registered:
    """Log the result of the gate on the run of a version, and in words as a tag of it."""
    with open_client(tracking_uri) as client:
        for name, value in metrics.items():
            client.log_metric(registered.run_id, f"gate_{name}", value)
        if table:
            log_tables(client, registered.run_id, {f"gate_against_{champion}.json": table})
        version = str(registered.version)
        client.set_model_version_tag(registered.name, version, GATE, words)
        client.set_model_version_tag(registered.name, version, GATE_PASSED, passed)
        return read_version(client, name=registered.name, version=version)
