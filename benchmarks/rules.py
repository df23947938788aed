"""How many normal rows the column rules flag: python benchmarks/rules.py [DATA ...].

DATA are folders as in benchmarks/tasks.py; without any, the sample. No network is trained: rules
are learnt from the training rows alone. Prints the share of normal and of labelled later rows that
break each rule.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from tasks import SAMPLE, read_rows_with_label, read_training_rows

from aedetect.detector.rules import CONSTANT, FAR, STUCK, UNSEEN, ColumnRules
from aedetect.detector.settings import RuleSettings

RULES = {"constant": CONSTANT, "unseen category": UNSEEN, "stuck": STUCK, "far": FAR}


def main() -> None:
    """Print a row of the table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", type=Path, default=[SAMPLE])
    print("| data | rule | normal rows flagged | labelled rows flagged |\n|---|---|---|---|")
    for folder in parser.parse_args().data:
        with tempfile.TemporaryDirectory() as scratch:
            ingested = read_training_rows(folder, Path(scratch))
            rules = ColumnRules.fit(
                ingested.rows, schema=ingested.schema, settings=RuleSettings(), per_entity=True
            )
            later, label = read_rows_with_label(folder, ingested.schema)
        known = {name: code for code, name in enumerate(ingested.rows.names)}
        codes = np.array([known.get(name, -1) for name in later.names], dtype=np.int32)
        broken = rules.broken(later, codes[later.entity], ingested.schema)
        for name, rule in RULES.items():
            flagged = (broken == rule).any(axis=1)
            print(
                f"| {folder.name} | {name} | {flagged[~label].mean():.3%} "
                f"| {flagged[label].mean():.2%} |"
            )


if __name__ == "__main__":
    main()
