"""Synthetic anomalies: each has the effect of its name, and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.errors import TooFewRows
from aedetect.evaluation.synthetic_anomalies import (
    KINDS,
    HeldOutRows,
    SyntheticAnomaly,
    altered_rows,
    column_std,
    inject_anomalies,
    length_of,
    plan_anomalies,
)

ROWS, START, DONOR = 200, 40, 120


@pytest.fixture
def held_out():
    """Two entities of three sensors, the last of them constant."""
    random = np.random.default_rng(1)
    values = np.cumsum(random.normal(size=(2 * ROWS, 3)), axis=0)
    values[:, 2] = 5.0
    std = np.stack([column_std(values[:ROWS]), column_std(values[ROWS:])])
    starts = np.concatenate([np.arange(7, ROWS), np.arange(ROWS + 7, 2 * ROWS)])
    entity = np.repeat(np.array([0, 1], np.int32), ROWS)
    return HeldOutRows(values=values, entity=entity, ends=starts, std=std)


def anomaly(kind, strength=2.0, columns=(0,), seed=3):
    """An anomaly at a known place."""
    return SyntheticAnomaly(
        kind=kind, strength=strength, start=START, columns=columns, donor=DONOR, seed=seed
    )


def moved(held_out, injected):
    """Shift of the altered sensors in standard deviations: (T, C)."""
    columns = list(injected.columns)
    before = held_out.values[START : START + injected.length]
    return (inject_anomalies(held_out, injected) - before)[:, columns] / held_out.std[0, columns]


def columns_of(kind):
    """The sensors that a kind alters."""
    return (0, 1) if kind == "swapped_sensors" else (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_all_other_cells_are_untouched(held_out, kind):
    """To the last bit, and the held-out rows are not modified."""
    before = held_out.values.copy()
    chosen = anomaly(kind, columns=columns_of(kind))
    after = inject_anomalies(held_out, chosen)
    others = [column for column in range(3) if column not in chosen.columns]
    assert after.shape == (chosen.length, 3)
    assert after[:, others].tobytes() == before[START : START + chosen.length, others].tobytes()
    assert held_out.values.tobytes() == before.tobytes()
    assert (after[:, list(chosen.columns)] != before[START : START + chosen.length][:, 0:1]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_changes_nothing(held_out, kind):
    """To the last bit."""
    chosen = anomaly(kind, strength=0.0, columns=columns_of(kind))
    after = inject_anomalies(held_out, chosen)
    assert after.tobytes() == held_out.values[START : START + chosen.length].tobytes()
    assert not altered_rows(held_out, chosen).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_cell_stays_missing(held_out, kind):
    """A missing reading cannot be altered."""
    held_out.values[START, :2] = np.nan
    after = inject_anomalies(held_out, anomaly(kind, columns=columns_of(kind)))
    assert np.isnan(after[0, :2]).all()
    assert np.isfinite(after[1:]).all()


def test_spike_is_one_reading(held_out):
    """Off by its strength."""
    np.testing.assert_allclose(np.abs(moved(held_out, anomaly("spike"))), [[2.0]])


def test_level_shift_is_the_same_throughout(held_out):
    """All readings to one side."""
    off = moved(held_out, anomaly("level_shift"))
    np.testing.assert_allclose(off, np.full((16, 1), 2.0 * np.sign(off[0, 0])))


def test_shifts_go_up_and_down(held_out):
    """The seed decides."""
    signs = {np.sign(moved(held_out, anomaly("spike", seed=seed))[0, 0]) for seed in range(10)}
    assert signs == {-1.0, 1.0}


def test_drift_grows_evenly(held_out):
    """From little to its full strength."""
    off = np.abs(moved(held_out, anomaly("drift")))[:, 0]
    np.testing.assert_allclose(off, 2.0 * np.arange(1, 17) / 16)


def test_stuck_sensor_repeats_its_first_reading(held_out):
    """Longer when it is stronger."""
    for strength, length in ((1.0, 4), (8.0, 32)):
        after = inject_anomalies(held_out, anomaly("stuck_sensor", strength))
        assert after[:, 0].tolist() == [held_out.values[START, 0]] * length


def test_noise_burst_scatters_by_its_strength(held_out):
    """Independently in each reading."""
    bursts = [moved(held_out, anomaly("noise_burst", seed=seed)) for seed in range(100)]
    assert np.std(bursts) == pytest.approx(2.0, rel=0.1)
    assert np.mean(bursts) == pytest.approx(0.0, abs=0.2)
    assert abs(np.corrcoef(np.stack(bursts)[:, :2, 0].T)[0, 1]) < 0.3


def test_swapped_sensors_show_each_others_readings(held_out):
    """When the strength suffices."""
    after = inject_anomalies(held_out, anomaly("swapped_sensors", 1e6, columns=(0, 1)))
    np.testing.assert_allclose(after[:, [1, 0]], held_out.values[START : START + 16, :2])


def test_broken_correlation_shows_another_time(held_out):
    """When the strength suffices: a sensor's usual readings, at an unusual time."""
    after = inject_anomalies(held_out, anomaly("broken_correlation", 1e6))
    np.testing.assert_allclose(after[:, 0], held_out.values[DONOR : DONOR + 16, 0])


@pytest.mark.parametrize("kind", ["swapped_sensors", "broken_correlation"])
def test_no_reading_moves_further_than_the_strength(held_out, kind):
    """So that strengths compare between kinds."""
    for strength in (0.1, 0.5):
        off = np.abs(moved(held_out, anomaly(kind, strength, columns=columns_of(kind))))
        assert off.max() <= strength * (1 + 1e-9)


def test_the_same_seed_gives_the_same_plan(held_out):
    """And another seed another one."""
    assert (
        plan_anomalies(held_out, seed=1)
        == plan_anomalies(held_out, seed=1)
        != plan_anomalies(held_out, seed=2)
    )


def test_a_plan_has_every_kind_at_every_strength(held_out):
    """As often as configured."""
    planned = plan_anomalies(held_out, seed=0, strengths=(1.0, 4.0), repeats=5)
    found = [(each.kind, each.strength) for each in planned]
    assert found == [(kind, size) for kind in KINDS for size in (1.0, 4.0) for _ in range(5)]


def test_strengths_come_in_the_same_places(held_out):
    """They differ only in strength."""
    planned = plan_anomalies(held_out, seed=0, strengths=(1.0, 8.0), repeats=5)
    drifts = [replace(each, strength=0.0) for each in planned if each.kind == "drift"]
    assert drifts[:5] == drifts[5:]


def test_a_plan_stays_in_whole_windows_of_one_entity(held_out):
    """Constant sensors are left alone, and every anomaly changes something."""
    for each in plan_anomalies(held_out, seed=0):
        rows = np.arange(each.start, each.start + each.length)
        donor = np.arange(each.donor, each.donor + each.length)
        assert np.isin(rows, held_out.ends).all()
        assert np.isin(donor, held_out.ends).all()
        assert len(set(held_out.entity[np.concatenate([rows, donor])])) == 1
        assert set(each.columns) <= {0, 1}
        assert altered_rows(held_out, each).any()
        assert each.length == length_of(each.kind, each.strength)


def test_one_sensor_alone_is_neither_swapped_nor_correlated(held_out):
    """Kinds that need two are omitted."""
    held_out.std[:, 1] = 0.0
    kinds = {each.kind for each in plan_anomalies(held_out, seed=0)}
    assert kinds == set(KINDS) - {"swapped_sensors", "broken_correlation"}


def test_nothing_to_alter_is_refused(held_out):
    """The message states the remedy."""
    held_out.std[:] = 0.0
    with pytest.raises(TooFewRows, match="got 386 windows of which none fits"):
        plan_anomalies(held_out, seed=0)
