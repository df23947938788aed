"""The input example of a version: rows of its training data as a caller would send them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Float64
    from aedetect.data import Feature
    from aedetect.training import Ingested

_SCORED = 4  # rows beyond the first window, so that some of the example are scored
_MOST_CELLS = 200_000  # of an example, about 4 MB of JSON; of wide tables fewer rows are given


def make_input_example(ingested: Ingested, *, length: int) -> pd.DataFrame:
    """Return the last rows of the entity with the most training rows: a window and a few more.

    The columns are those that the detector reads, in original units; timestamps as text, because
    JSON has none. The level of a counter, of which only increases are kept, begins at 0.
    """
    import pandas as pd

    rows, schema = ingested.rows, ingested.schema
    first = np.flatnonzero(rows.starts)
    size = np.diff(np.append(first, len(rows)))
    most = int(size.argmax())
    end = int(first[most] + size[most])
    count = min(length + _SCORED, max(_MOST_CELLS // len(schema.features), 1))
    chosen = rows.take(slice(max(int(first[most]), end - count), end))
    zone = "UTC" if schema.aware else None
    time = pd.DatetimeIndex(np.asarray(chosen.time), tz=zone)
    columns: dict[str, object] = {schema.timestamp: [each.isoformat() for each in time]}
    if schema.entity is not None:
        columns[schema.entity] = [rows.names[code] for code in chosen.entity]
    for number, feature in enumerate(schema.features):
        shown = _shown(np.asarray(chosen.values)[:, number], feature)
        # Of another type, MLflow writes what is missing as NaN, which is no JSON.
        columns[feature.name] = pd.Series(shown, dtype=object if None in shown else None)
    return pd.DataFrame(columns)


def _shown(values: Float64, feature: Feature) -> list[object]:
    """Return the values of a feature as its file has them; None where missing."""
    if feature.is_text:
        known = dict(enumerate(feature.categories))
        return [None if np.isnan(each) else known.get(int(each)) for each in values]
    if feature.kind == "boolean":
        return [None if np.isnan(each) else bool(each) for each in values]
    if feature.counter:
        values = np.nan_to_num(values).cumsum()
    return [float(each) if np.isfinite(each) else None for each in values]
