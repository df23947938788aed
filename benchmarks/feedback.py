"""The effect of labelled false alarms on the next version: python benchmarks/feedback.py.

On the shipped sample: train on two weeks, score the days that follow, and label as false alarms
the events of the first half that overlap no labelled anomaly. Train again, with their rows as
normal, and score the second half with both versions. Its labels are used only for counting.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from aedetect import registry
from aedetect.config import Config, read_config
from aedetect.evaluation import Backtest
from aedetect.events import label_events, read_event_table
from aedetect.events.labels import FALSE_ALARM
from aedetect.jobs import scoring, training
from aedetect.jobs.backtest import run_backtest
from aedetect.output.partitions import Span
from aedetect.timestamps import parse_instant

ROOT = Path(__file__).parents[1]
HALF = "2000-01-25"


def main() -> None:
    """Print the results of both versions on the second half."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "data", folder / "data")
        shutil.copy(ROOT / "demo.toml", folder)
        config = read_config(folder / "demo.toml")
        training.run_training(config)
        scoring.run_scoring(config)
        count = label_false_alarms(config)
        print(f"{count} events before {HALF} overlap no label and are labelled false alarms")
        report("before", config)
        _, second = training.run_training(config)
        registry.promote_version(second, tracking_uri=config.tracking_uri)
        later = replace(config, scoring=replace(config.scoring, output="later"))
        scoring.run_scoring(later)
        report("after", later)


def label_false_alarms(config: Config) -> int:
    """Label the events of the first half that overlap no known anomaly; return their number."""
    result, _ = run_backtest(
        config, span=Span(None, parse_instant(HALF)), days=None, recalibrate=False
    )
    false = {(each.entity, each.start) for each in result.alarms if not result.overlaps_known(each)}
    events = read_event_table(config.output, until=parse_instant(HALF), suppressed=True).to_pylist()
    chosen = [
        event["event_id"]
        for event in events
        if (event["entity"], parse_instant(event["start"].isoformat())) in false
    ]
    if chosen:
        label_events(config.output, chosen, opinion=FALSE_ALARM, note=None, now="2000-02-03")
    return len(chosen)


def report(name: str, config: Config) -> None:
    """Print the events of the second half, and how many are false."""
    result: Backtest = run_backtest(
        config, span=Span(parse_instant(HALF), None), days=None, recalibrate=False
    )[0]
    found = sum(each.delay is not None for each in result.detections)
    print(
        f"{name}: {len(result.alarms)} events in {result.days:.1f} days, {result.false} of them "
        f"false; {found} of {len(result.detections)} labelled segments found"
    )


if __name__ == "__main__":
    main()
