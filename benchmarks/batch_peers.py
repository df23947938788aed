"""Other programs that score a folder of Parquet files, each as its users would write it.

Each is a script of its own, so that its start and its memory count: TRAIN, SOURCE and TARGET are
its arguments. All read with pandas and score single rows, but for the last one, which lets DuckDB
order the rows and scores windows of 16 rows, as aedetect does.
"""

from __future__ import annotations

import importlib.util

_ROW_BY_ROW = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
{imports}
train, source, target = map(Path, sys.argv[1:])
features = [name for name in pd.read_parquet(train).columns if name[0] == "f"]
normal = pd.read_parquet(train)[features]
{fit}
target.mkdir()
for path in sorted(source.glob("*.parquet")):
    rows = pd.read_parquet(path)
    values = rows[features]
    scored = rows[["timestamp", "entity"]].assign(score={score})
    scored.to_parquet(target / path.name)
"""
_WINDOWS = """
import sys
from pathlib import Path
import duckdb
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
LENGTH = 16
train, source, target = map(Path, sys.argv[1:])
database = duckdb.connect()
def ordered(path):
    return database.sql(f"SELECT * FROM '{path}' ORDER BY entity, timestamp").df()
def windows(values):
    cut = np.lib.stride_tricks.sliding_window_view(values, LENGTH, axis=0)
    return cut.transpose(0, 2, 1).reshape(len(cut), -1)
normal = ordered(train)
features = [name for name in normal.columns if name[0] == "f"]
scaler = StandardScaler().fit(normal[features])
parts = [windows(scaler.transform(rows[features])) for _, rows in normal.groupby("entity")]
model = PCA(n_components=len(features)).fit(np.concatenate(parts)[::4])
target.mkdir()
for path in sorted(source.glob("*.parquet")):
    found = []
    for entity, rows in ordered(path).groupby("entity"):
        cells = windows(scaler.transform(rows[features]))
        error = np.square(cells - model.inverse_transform(model.transform(cells)))
        score = np.full(len(rows), np.nan)
        score[LENGTH - 1:] = error[:, -len(features):].mean(axis=1)
        found.append(rows[["timestamp", "entity"]].assign(score=score))
    scored = pd.concat(found)
    database.sql(f"COPY (SELECT * FROM scored) TO '{target / path.name}' (FORMAT parquet)")
"""
_FOREST = _ROW_BY_ROW.format(
    imports="from sklearn.ensemble import IsolationForest",
    fit="forest = IsolationForest(random_state=0, n_jobs=2).fit(normal)",
    score="-forest.score_samples(values)",
)
_PCA = _ROW_BY_ROW.format(
    imports="""from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
def error(values):
    cells = scaler.transform(values)
    return np.square(cells - model.inverse_transform(model.transform(cells))).mean(axis=1)""",
    fit="""scaler = StandardScaler().fit(normal)
model = PCA(n_components=0.9).fit(scaler.transform(normal))""",
    score="error(values)",
)
_PYOD = _ROW_BY_ROW.format(
    imports="from pyod.models.auto_encoder import AutoEncoder",
    # of a tenth: of all rows it takes minutes, and training is not what is compared
    fit="model = AutoEncoder(verbose=0, random_state=0).fit(normal.to_numpy()[::10])",
    score="model.decision_function(values.to_numpy())",
)
FOREST = "isolation forest (rows)"
SCRIPTS = {
    FOREST: _FOREST,
    "PCA of scikit-learn (rows)": _PCA,
    "PyOD AutoEncoder (rows)": _PYOD,
    "DuckDB and PCA (windows)": _WINDOWS,
}


def scripts(*, every: bool) -> dict[str, str]:
    """Return the isolation forest, or every script whose packages are installed."""
    if not every:
        return {FOREST: _FOREST}
    missing = importlib.util.find_spec("pyod") is None
    return {name: text for name, text in SCRIPTS.items() if not (missing and "PyOD" in name)}
