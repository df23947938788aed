"""Quality of verdicts: against labels, on past scores, and on synthetic anomalies."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.evaluation.backtest import Backtest, backtest_threshold
    from aedetect.evaluation.comparison import Comparison
    from aedetect.evaluation.ground_truth import KnownAnomalies, known_anomalies
    from aedetect.evaluation.metrics import Evaluation, evaluate

__all__ = [
    "Backtest",
    "Comparison",
    "Evaluation",
    "KnownAnomalies",
    "backtest_threshold",
    "evaluate",
    "known_anomalies",
]

__getattr__ = on_first_use(
    __name__,
    {
        "backtest": (
            "Backtest",
            "backtest_threshold",
        ),
        "comparison": ("Comparison",),
        "ground_truth": (
            "KnownAnomalies",
            "known_anomalies",
        ),
        "metrics": (
            "Evaluation",
            "evaluate",
        ),
    },
)
