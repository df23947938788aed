"""One partition: scored from its files, written aside, published."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import DAYS, FAULTY_ROWS, ROWS, contents, write

from aedetect.data import find_files
from aedetect.data.sources import fingerprint_files
from aedetect.errors import OutputError, UnreadableFile
from aedetect.jobs import scoring
from aedetect.output.atomic import read_origin
from aedetect.output.partitions import Span
from aedetect.scoring import Unit
from aedetect.scoring.grouping import group_units
from aedetect.scoring.worker import compute_group, compute_partition, compute_partitions


@pytest.fixture
def planned(plant):
    """Plan the three days: the model, the units, and the output folder."""
    config = plant.config()
    model = scoring.resolve_model(config)
    job = scoring.plan_run(config, model, span=Span(), scratch=plant.folder)
    return model, job.plan.compute, plant.output


def test_units_can_be_computed_in_any_order(planned):
    """A day scored before the previous day has the same bytes."""
    model, units, output = planned
    for place, order in (("a", units), ("b", units[::-1])):
        for unit in order:
            compute_partition(unit, model=model, output=output / place)
    assert contents(output / "a") == contents(output / "b")


def test_units_can_be_computed_at_once(planned):
    """Threads share the loaded detector and nothing else."""
    model, units, output = planned
    for unit in units:
        compute_partition(unit, model=model, output=output / "a")
    with ThreadPoolExecutor(len(units)) as pool:
        list(
            pool.map(lambda unit: compute_partition(unit, model=model, output=output / "b"), units)
        )
    assert contents(output / "a") == contents(output / "b")


def test_units_that_are_read_together_have_the_same_bytes(planned):
    """Of rows of one scan each goes to its own partition, and so do the counts."""
    model, units, output = planned
    alone = [compute_partition(unit, model=model, output=output / "a") for unit in units]
    assert compute_partitions(units, model=model, output=output / "b") == alone
    assert contents(output / "a") == contents(output / "b")
    # A unit between two others may be up to date.
    apart = compute_partitions((units[0], units[2]), model=model, output=output / "c")
    assert apart == [alone[0], alone[2]]
    assert set(contents(output / "c")) < set(contents(output / "a"))


def test_an_unreadable_file_defers_its_own_units_alone(planned, plant):
    """The others of the group are computed as if alone."""
    model, units, output = planned
    path = plant.incoming / f"{DAYS[2]}.parquet"
    write(pd.read_parquet(path).assign(cpu=1.0), path)
    first, second, third = compute_group(units, model=model, output=output)
    assert (first.partition, second.partition) == (DAYS[0], DAYS[1])
    assert [str(each) for each in third.because] == [f"{path.name}: was replaced while it was read"]


def test_neighbours_are_grouped_where_files_keep_their_order(planned):
    """A unit whose files come in another order is read by itself."""
    model, units, _ = planned
    assert group_units(units[::-1], model) == (tuple(units),)
    assert group_units((units[0], units[2]), model) == ((units[0],), (units[2],))
    turned = replace(units[1], files=units[1].files[::-1])
    assert group_units((units[0], turned), model) == ((units[0],), (turned,))
    unknown = replace(units[1], expected=None)
    assert [len(each) for each in group_units((units[0], unknown), model)] == [1, 1]


def test_results_of_a_partition_are_counted(planned):
    """Rows, flags and reasons agree with the files."""
    model, units, output = planned
    computed = compute_partition(units[1], model=model, output=output)
    assert (computed.partition, computed.rows) == (DAYS[1], FAULTY_ROWS)
    files = {kind: output / kind / f"date={DAYS[1]}" / "part-0.parquet" for kind in
             ("scores", "flagged")}  # fmt: skip
    assert computed.flagged == pq.read_metadata(files["flagged"]).num_rows
    reasons = pq.ParquetFile(files["scores"]).read()["reason"].to_pandas()
    counted = reasons.value_counts().to_dict()
    by_rules = {"load is missing": 1, "cpu is far beyond its training range": 11}
    assert {reason: counted.pop(reason) for reason in by_rules} == by_rules  # neither of the two
    assert computed.not_scored == counted
    assert read_origin(files["scores"]) == read_origin(files["flagged"])


def test_context_is_read_and_not_written(planned):
    """The first rows of a day use rows of the previous day as context, which are not written."""
    model, units, output = planned
    compute_partition(units[2], model=model, output=output)
    scores = pd.read_parquet(output / "scores" / f"date={DAYS[2]}" / "part-0.parquet")
    assert len(scores) == ROWS
    assert scores["timestamp"].min() == pd.Timestamp(DAYS[2])
    assert scores["score"].notna().all()


def test_partition_without_rows_goes(planned, plant):
    """Input that lost the rows of a day leaves no output for that day."""
    model, units, output = planned
    compute_partition(units[0], model=model, output=output)
    path = plant.incoming / f"{DAYS[0]}.parquet"
    write(pd.read_parquet(path).iloc[:0], path)
    found = find_files([str(path)], timestamp="time").files
    emptied = Unit(units[0].partition, found, fingerprint_files(found))
    assert compute_partition(emptied, model=model, output=output).rows == 0
    assert contents(output) == {}


def test_partition_whose_file_was_replaced_since_the_plan_stays(planned, plant):
    """Its footer would record the previous content."""
    model, units, output = planned
    compute_partition(units[0], model=model, output=output)
    before = contents(output)
    path = plant.incoming / f"{DAYS[0]}.parquet"
    write(pd.read_parquet(path).iloc[:100], path)
    with pytest.raises(UnreadableFile, match="was replaced while it was read") as refused:
        compute_partition(units[0], model=model, output=output)
    assert list(refused.value.reasons) == [path.name]
    assert contents(output) == before


def test_partition_whose_file_was_merely_touched_is_computed(planned, plant):
    """The content decides."""
    model, units, output = planned
    (plant.incoming / f"{DAYS[0]}.parquet").touch()
    assert compute_partition(units[0], model=model, output=output).rows > 0


def test_file_that_was_another_while_it_was_read_holds_its_partition(planned, plant, monkeypatch):
    """Also if the previous content is restored."""
    from aedetect.scoring import worker as stage

    model, units, output = planned
    path = plant.incoming / f"{DAYS[0]}.parquet"
    content, score_rows = path.read_bytes(), stage.score_rows

    def replaced_meanwhile(*arguments):
        rows = pd.read_parquet(path)
        write(rows.assign(cpu=rows["cpu"] + 1), path)
        path.write_bytes(content)
        return score_rows(*arguments)

    monkeypatch.setattr(stage, "score_rows", replaced_meanwhile)
    with pytest.raises(UnreadableFile, match="was replaced while it was read"):
        compute_partition(units[0], model=model, output=output)
    assert contents(output) == {}


def test_output_that_cannot_be_written_is_named(planned):
    """No temporary files are left."""
    model, units, output = planned
    output.mkdir(exist_ok=True)
    (output / "scores").write_text("in the way")
    with pytest.raises(OutputError, match=r"output cannot be written"):
        compute_partition(units[0], model=model, output=output)
    assert not (output / ".aside").exists()
