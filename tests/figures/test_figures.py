"""The figures show the stated properties."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib import get_backend, rcParams
from PIL import Image
from typer.testing import CliRunner

from aedetect.cli import app
from aedetect.config import make_config
from aedetect.errors import NoData
from aedetect.figures.activations import activations, active_share
from aedetect.figures.contraction import contraction
from aedetect.figures.feature_plane import Plane, choose_plane, curve_gain
from aedetect.figures.latent import latent
from aedetect.figures.manifold import manifolds
from aedetect.figures.penalty import TARGET, penalty, penalty_at
from aedetect.figures.vector_field import field
from aedetect.jobs.dataset import ingest_rows, prepare_rows
from aedetect.jobs.figures import ON_PLANE, ON_ROWS, draw_figures

NAMES = {f"{name}.png" for name in (*ON_PLANE, *ON_ROWS)}


def bent(*, rows=2000, seed=0):
    """Four columns: two on a parabola, two that follow a line."""
    random = np.random.default_rng(seed)
    place = random.uniform(-0.5, 1.5, rows)
    columns = {"time": pd.date_range("2026-01-01", periods=rows, freq="min")}
    for name, value in (("a", place), ("b", place**2), ("c", 3 * place), ("d", 1 - place)):
        columns[name] = value + random.normal(scale=0.1, size=rows)
    return pd.DataFrame(columns)


def settings_in(folder, **data):
    """A configuration of the tables of a folder."""
    return make_config(
        {
            "detector": {"name": "bent"},
            "data": {"train": "train.parquet", "timestamp": "time", **data},
            "window": {"length": 1},
        },
        folder=folder,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write):
    """A folder with the training data."""
    path = tmp_path_factory.mktemp("bent")
    write(bent(), path / "train.parquet")
    return path


@pytest.fixture(scope="module")
def rows(folder, tmp_path_factory):
    """The prepared rows, and the plane chosen from them."""
    config, scratch = settings_in(folder), tmp_path_factory.mktemp("scratch")
    ingested = ingest_rows(config, scratch)
    prepared = prepare_rows(config, ingested, scratch)
    return prepared, choose_plane(ingested, prepared)


@pytest.fixture(scope="module")
def plane(rows):
    """The plane alone."""
    return rows[1]


def test_plane_is_the_one_with_a_curve(plane):
    """Of all pairs, that of the parabola is chosen, not a straight one."""
    assert "b" in plane.names
    assert plane.where == f"{plane.names[0]} and {plane.names[1]}"


def test_plane_is_in_standard_deviations(plane):
    """As on the axis labels."""
    np.testing.assert_allclose(plane.points.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(plane.points.std(0), 1, atol=1e-5)
    assert all("standard deviations" in label for label in plane.labels.values())


def test_held_back_rows_are_not_used_for_training():
    """The two sets partition the rows."""
    points = np.arange(40, dtype=np.float32).reshape(20, 2)
    plane = Plane(points, ("a", "b"), "east")
    both = np.concatenate([plane.learn.matrix, plane.held_back.matrix])
    assert len(plane.held_back) == 4
    assert sorted(both[:, 0]) == points[:, 0].tolist()
    assert plane.where == "a and b of east"


def test_a_line_gains_nothing_by_a_curve():
    """A parabola gains the variance that the line leaves unexplained."""
    place = np.random.default_rng(0).uniform(-1.5, 1.5, 3000)
    assert curve_gain(np.stack([place, 2 * place + 1], axis=1)) < 1e-3
    assert curve_gain(np.stack([place, np.square(place)], axis=1)) > 0.2


def test_columns_that_are_the_same_gain_nothing():
    """They have no variance beside their line, and nothing is divided by zero."""
    place = np.linspace(0, 1, 100)
    assert curve_gain(np.stack([place, place], axis=1)) < 1e-3
    assert curve_gain(np.stack([place, -place], axis=1)) < 1e-3


def test_a_constant_column_gains_nothing():
    """There is no curve without a second dimension."""
    place = np.linspace(0, 1, 100)
    assert curve_gain(np.stack([place, np.ones(100)], axis=1)) == 0


def test_curve_loses_less_than_the_line(plane):
    """The non-linear error is below the linear one, which is that of principal components."""
    found = manifolds(plane, 0)
    assert found["non-linear"].error < 0.8 * found["linear"].error
    smallest = np.linalg.eigvalsh(np.cov(plane.points.T))[0]
    assert found["linear"].error == pytest.approx(smallest / 2, rel=0.15)


def test_linear_manifold_is_a_line(plane):
    """All that the linear one reconstructs lies in one direction."""
    curve = manifolds(plane, 0)["linear"].curve
    sizes = np.linalg.svd(curve - curve.mean(0), compute_uv=False)
    assert sizes[1] < 1e-3 * sizes[0]


def test_field_leads_to_the_data(plane):
    """On average a reconstruction is nearer to the rows than its point, and far ones go further."""
    found = field(plane, 0)
    assert found.after.mean() < 0.6 * found.before.mean()
    far = found.before > np.quantile(found.before, 0.75)
    assert (found.after < found.before)[far].mean() > 0.95
    way = np.hypot(*(found.rebuilt - found.points).T)
    assert way[far].mean() > 2 * way[found.before < np.quantile(found.before, 0.25)].mean()


def test_slope_along_the_data_is_larger_than_across(plane):
    """The reconstruction follows a row along the data, and is contracted across."""
    along, across = np.median(contraction(plane, 0).slopes, axis=1)
    assert across < along - 0.1


def test_directions_along_and_across_are_orthonormal(plane):
    """Slopes are measured per standard deviation."""
    along, across = contraction(plane, 0).directions
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose((along * across).sum(1), 0, atol=1e-6)


def test_penalty_equals_the_formula_and_is_zero_at_the_target():
    """KL divergence of two Bernoulli distributions, in nats."""
    mean = np.linspace(0.05, 0.95, 19, dtype=np.float32)
    wanted = TARGET * np.log(TARGET / mean) + (1 - TARGET) * np.log((1 - TARGET) / (1 - mean))
    np.testing.assert_allclose(penalty_at(mean), wanted, atol=1e-6)
    assert penalty_at(np.array([TARGET], np.float32))[0] == pytest.approx(0, abs=1e-7)
    assert penalty_at(mean).argmin() == np.abs(mean - TARGET).argmin()


def test_penalty_gathers_the_units_at_the_target(rows):
    """Units trained with the penalty are nearer to it than those without."""
    found = penalty(rows[0], 0)
    assert np.abs(found.held - TARGET).mean() < 0.5 * np.abs(found.free - TARGET).mean()


def test_sparse_code_is_sparser(rows):
    """Fewer units are active with the penalty, and different rows activate different ones."""
    free, held = activations(rows[0], 0).values()
    assert active_share(held) < active_share(free)
    assert len(np.unique(held > 0.05 * held.max(axis=0), axis=0)) > 1


def test_latent_scores_are_the_residuals_of_held_out_rows(rows):
    """One latent space of two dimensions and one score for each."""
    found = latent(rows[0], 0)
    assert found.latents.shape == (len(found.score), 2)
    assert (found.score >= 0).all()
    assert found.score.mean() < 0.5  # of variances of about 1


def test_figures_are_written_small_and_legible(folder, tmp_path):
    """All six, as PNG, as wide as a README, below 150 kB; Matplotlib settings are unchanged."""
    before = get_backend(auto_select=False), rcParams.copy()
    result = CliRunner().invoke(
        app, ["figures", str(config_file(folder)), "--to", str(tmp_path / "new")]
    )
    assert result.exit_code == 0, result.output
    assert (get_backend(auto_select=False), rcParams.copy()) == before
    assert {path.name for path in (tmp_path / "new").iterdir()} == NAMES
    for path in (tmp_path / "new").iterdir():
        data = path.read_bytes()
        assert 5_000 < len(data) < 150_000, path.name
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.format == "PNG"
            assert picture.width == 800


def config_file(folder):
    """Write the configuration as a file."""
    path = folder / "bent.toml"
    path.write_text(
        '[detector]\nname = "bent"\n[data]\ntrain = "train.parquet"\ntimestamp = "time"\n'
    )
    return path


def test_one_column_is_refused(folder, tmp_path):
    """A plane needs two, as the message states."""
    with pytest.raises(NoData, match="need two numeric columns"):
        draw_figures(settings_in(folder, features=["a"]), to=tmp_path)
