"""An outlier detector as scikit-learn has them, around `aedetect.fit` and `Detector.score`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from aedetect.errors import ConfigError
from aedetect.sklearn.tables import as_frame, timestamp_of

if TYPE_CHECKING:
    from aedetect.api import Detector
    from aedetect.arrays import Float64, Int64

_OF_A_ROW = "mahalanobis"  # a score in which the rows before have no part
_AUTO = -1.0  # offset of the calibrated threshold: scores are in units of it
_MAX_SEED = 2**31 - 1
_LEAST = float(np.finfo(np.float32).tiny)


class AutoencoderDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Outlier detection in time series with an autoencoder and a calibrated threshold.

    Rows of `X` are samples, in order of time unless a column has timestamps. `X` is a data frame,
    or an array whose rows follow each other in equal steps. Missing values are allowed. With a
    `window` or a `timestamp` a row is judged with those before it: `X` is not to be shuffled then.
    Without either, each row is judged alone (`[calibration] score = "mahalanobis"`), and the newest
    fifth of the rows given to `fit` sets the threshold.

    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> found = AutoencoderDetector(variant="linear").fit(X)
    >>> found.predict(np.vstack([X[-50:], [[9.0, -9.0, 9.0]]]))[-1]
    np.int64(-1)

    Args:
        variant: The kind of autoencoder, as in `[model] variant`.
        window: Rows that are looked at together. 1: a row alone, as is usual in scikit-learn. With
            more, the first `window` - 1 rows of each series have no full window: see `predict`.
        contamination: "auto": the threshold is calibrated on the newest rows, which the network
            does not learn from, by `false_alarm_rate` or `alert_budget`. A share in (0, 0.5]: the
            threshold is set so that this share of the rows given to `fit` is below it.
        false_alarm_rate: Share of normal rows that are flagged, for "auto". None: 0.001, or the
            smallest that the held-out rows support.
        alert_budget: Events that are to be expected on normal rows, such as "2 per day", for
            "auto". It needs a `timestamp`.
        timestamp: Name of the column or index level with timestamps. None: rows are a minute apart.
        entity: Name of the column that identifies the series. None: all rows are one series.
        settings: Other settings by section and key, as `aedetect.fit` takes them, such as
            `{"training": {"epochs": 20}}`.
        random_state: What weights are drawn from: an int gives the same result in each call.

    Attributes:
        detector_: The `aedetect.Detector`. Its pickle are the files that `Detector.save` writes.
        offset_: Score below which a row is an outlier: -1, unless `contamination` is a share.
        n_features_in_: Number of columns of `X`, those of timestamp and entity included.
        feature_names_in_: Their names, where `X` has any.
    """

    def __init__(
        self,
        *,
        variant: str = "auto",
        window: int = 1,
        contamination: float | str = "auto",
        false_alarm_rate: float | None = None,
        alert_budget: str | None = None,
        timestamp: str | None = None,
        entity: str | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.variant = variant
        self.window = window
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.alert_budget = alert_budget
        self.timestamp = timestamp
        self.entity = entity
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002, N803 - as scikit-learn has it
        """Train on rows of normal operation, and choose the threshold; `y` is ignored.

        Raises:
            ValueError: `X` is no table of numbers, or has too few rows.
            ConfigError: A parameter is impossible; also any other AedetectError of `aedetect.fit`.
        """
        from aedetect.api import fit

        share = _share(self.contamination)
        frame = as_frame(self, X, reset=True)
        seed = int(check_random_state(self.random_state).randint(_MAX_SEED))
        self.detector_: Detector = fit(
            frame,
            timestamp=timestamp_of(self),
            entity=self.entity,
            seed=seed,
            **_sections(self),
        )
        self.offset_ = _AUTO
        if share is not None:
            scores = self._scores(frame)
            known = scores[np.isfinite(scores)]
            self.offset_ = float(np.percentile(known, 100 * share)) if len(known) else _AUTO
        return self

    def score_samples(self, X: Any) -> Float64:  # noqa: N803
        """Return how normal each row is: (n,), the higher the more normal; NaN if not scored.

        It is minus the score of `Detector.score` in units of the threshold of the row's entity.
        """
        check_is_fitted(self)
        return self._scores(as_frame(self, X, reset=False))

    def decision_function(self, X: Any) -> Float64:  # noqa: N803
        """Return `score_samples` minus `offset_`: (n,); below 0 for outliers, NaN if not scored."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Int64:  # noqa: N803
        """Return 1 for inliers, -1 for outliers: (n,). 0: the row is not scored.

        A row that cannot be scored, for want of rows before it or of values, is never called
        normal. With `window` = 1 and no missing values there are none.
        """
        decision = self.decision_function(X)
        found = np.where(decision < 0, -1, 1)
        return np.where(np.isnan(decision), 0, found)

    def _scores(self, frame: Any) -> Float64:
        """Return scores of a frame whose columns were checked."""
        from aedetect.scoring import score_frame

        found = score_frame(self.detector_, frame, details=True)
        threshold = np.maximum(found["threshold"].to_numpy(float, na_value=1.0), _LEAST)
        score = found["score"].to_numpy(float, na_value=np.nan) / threshold
        flagged = (found["verdict"] == "anomaly").to_numpy()
        # A column rule flags rows whatever their score, and the threshold itself is normal.
        above = np.maximum(score, np.nextafter(1.0, 2.0))
        return np.asarray(-np.where(flagged, above, np.minimum(score, 1.0)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _share(contamination: float | str) -> float | None:
    """Return the share of outliers; None when the threshold is calibrated. Raises ConfigError."""
    if contamination == "auto":
        return None
    if isinstance(contamination, int | float) and 0 < contamination <= 0.5:  # noqa: PLR2004
        return float(contamination)
    raise ConfigError(f'contamination must be "auto" or a share in (0, 0.5], got {contamination!r}')


def _sections(estimator: AutoencoderDetector) -> dict[str, dict[str, Any]]:
    """Return the settings of `aedetect.fit` by section; parameters come before `settings`."""
    if estimator.alert_budget is not None and estimator.timestamp is None:
        raise ConfigError(
            "an alert_budget counts events by time: name the column of timestamps with timestamp, "
            "or give a false_alarm_rate instead"
        )
    given: dict[str, dict[str, Any]] = {
        "model": {"variant": estimator.variant},
        "window": {"length": estimator.window},
        "calibration": {
            key: each
            for key in ("false_alarm_rate", "alert_budget")
            if (each := getattr(estimator, key)) is not None
        },
    }
    others: dict[str, Any] = dict(estimator.settings or {})
    calibration = others.get("calibration")
    own = calibration if isinstance(calibration, Mapping) else {}
    if estimator.window == 1 and estimator.timestamp is None:
        given["calibration"] = {"score": own.get("score", _OF_A_ROW), **given["calibration"]}
    wrong = [name for name, each in others.items() if not isinstance(each, Mapping)]
    if wrong:
        raise ConfigError(
            f"settings must be a dictionary for each section, got {others[wrong[0]]!r} for "
            f"{wrong[0]!r}"
        )
    return {name: {**others.get(name, {}), **given.get(name, {})} for name in {**others, **given}}
