"""What speaks for a challenger: measures on rows that both versions scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aedetect.calibration import HeldOut
from aedetect.calibration.calibration import DEFAULT_TIMING
from aedetect.evaluation.common_rows import CommonRows, Verdicts
from aedetect.evaluation.false_events import level_at
from aedetect.evaluation.gate import measure
from aedetect.evaluation.gate_text import gate_words
from aedetect.evaluation.settings import PromotionSettings

ROWS = 4_000  # minutes, 2.8 days
SETTINGS = PromotionSettings()


@pytest.fixture
def common():
    """A series without known anomalies."""
    rows = HeldOut.of(np.zeros(ROWS))
    return CommonRows(rows, np.full(ROWS, -1), DEFAULT_TIMING)


@pytest.fixture
def honest():
    """Uniform p-values, two flagged rows as predicted, and half of the injected rows found."""
    p_value = (np.random.default_rng(0).permutation(ROWS) + 1) / ROWS
    injected = np.repeat([1e-9, 0.5], 20)
    return Verdicts(
        p_value=p_value,
        flagged=p_value <= 2 / ROWS,
        broken=np.zeros(ROWS, dtype=np.bool_),
        injected=injected,
        unaltered=np.ones(len(injected)),
        predicted=0.7,
    )


def failing(common, challenger, champion):
    """The names of the checks that are beyond their limits."""
    verdicts = {"challenger": challenger, "champion": champion}
    found = measure(common, verdicts, SETTINGS)
    return {
        each.name
        for each in found
        if (each.evidence < each.limit) == each.greater_is_better and each.evidence != each.limit
    }


def test_an_equal_passes(common, honest):
    """A version is as good as itself."""
    assert failing(common, honest, honest) == set()


@pytest.mark.parametrize(("lost", "stopped"), [(5, False), (9, True)])
def test_few_anomalies_found_alone_decide_nothing(common, honest, lost, stopped):
    """One won and five lost of hundreds happen between seeds, one and nine do not."""
    many = replace(honest, injected=np.repeat([1e-9, 0.5], 200), unaltered=np.ones(400))
    other = many.injected.copy()
    other[:lost], other[-1] = 0.5, 1e-9
    assert ("found_alone" in failing(common, replace(many, injected=other), many)) == stopped


def test_stuck_alarm_finds_nothing(common, honest):
    """An anomaly among rows that a version flags anyway is not found by it."""
    stuck = replace(honest, injected=np.zeros(40), unaltered=np.repeat([1.0, 0.0], 20))
    assert failing(common, honest, stuck) == set()
    assert failing(common, honest, replace(stuck, unaltered=np.ones(40))) >= {"injected_found"}
    assert failing(common, stuck, replace(honest, injected=np.zeros(40))) >= {"injected_found"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"injected": np.repeat([1e-9, 0.5], [18, 22])}, set()),
        ({"injected": np.repeat([1e-9, 0.5], [8, 32])}, {"injected_found", "found_alone"}),
        ({"flagged": np.arange(ROWS) % 200 == 0}, {"alert_volume_factor"}),
        ({"predicted": 0.0}, {"alert_volume_factor"}),
        ({"predicted": 30.0}, {"alert_volume_factor"}),
    ],
)
def test_each_fault_is_named(common, honest, change, expected):
    """Far fewer injected anomalies, or another number of events than predicted; two are chance."""
    assert failing(common, replace(honest, **change), honest) == expected


@pytest.mark.parametrize(("won", "lost", "expected"), [(4, 9, set()), (4, 17, {"found_alone"})])
def test_one_that_loses_clearly_more_than_it_wins_is_stopped(common, honest, won, lost, expected):
    """Of 400, few enough for their share to pass; four against nine may be chance."""
    many = replace(honest, injected=np.repeat([1e-9, 0.5], 200), unaltered=np.ones(400))
    fewer = replace(many, injected=many.injected.copy())
    fewer.injected[:lost], fewer.injected[200 : 200 + won] = 0.5, 1e-9
    assert failing(common, fewer, many) == expected
    assert failing(common, many, fewer) == set()


def test_what_hangs_on_a_few_rows_is_no_evidence(common, honest):
    """All 400 are lost, because the eight smallest p-values of another version are a little larger.

    So their own number says how much is lost, and nothing of how sure that is.
    """
    many = replace(honest, injected=np.full(400, 3.5 / ROWS), unaltered=np.ones(400))
    larger = honest.p_value.copy()
    larger[np.argsort(larger)[:8]] += 1 / ROWS
    verdicts = {"challenger": many, "champion": replace(many, p_value=larger)}
    checks = {each.name: each for each in measure(common, verdicts, SETTINGS)}
    for found in (checks["found_alone"], checks["injected_found"]):
        assert "0 won, 400 lost" in found.text
        assert found.evidence > found.limit
    said = gate_words([checks["injected_found"], checks["found_alone"]], [], "pump/2")
    assert said.startswith("pump/2 passed the gate: share of 400 injected anomalies found")
    assert "0 (champion 1), by chance as many, and 0.1 less is allowed" in said
    assert "0.00, as many with a probability of" in said


def test_one_that_finds_more_passes_without_a_word_of_chance(common, honest):
    """What chance leaves open is said of one that found fewer."""
    fewer = replace(honest, injected=np.repeat([1e-9, 0.5], [8, 32]))
    checks = measure(common, {"challenger": honest, "champion": fewer}, SETTINGS)
    said = gate_words(checks, [], "pump/2")
    assert "0.5 (champion 0.2);" in said
    assert "allowed" not in said


def test_p_values_are_checked_for_what_they_promise(common, honest):
    """Too many small ones are too many alarms at any threshold."""
    small = replace(honest, p_value=honest.p_value**2)
    assert failing(common, small, honest) == {"p_value_factor"}
    assert failing(common, small, small) == set()  # the champion is no better
    other = replace(honest, p_value=honest.p_value[::-1])
    assert failing(common, other, honest) == {"rank_agreement"}


@pytest.mark.parametrize(("number", "stopped"), [(1, False), (3, False), (5, True)])
def test_known_anomalies_have_to_be_found(common, honest, number, stopped):
    """Losing all of a few is no evidence; of more it is. One that rules flag is found."""
    known = np.full(ROWS, -1)
    known[100 : 100 + 10 * number] = np.repeat(np.arange(number), 10)
    inside = replace(common, known=known)
    champion = replace(honest, p_value=np.where(known >= 0, 1e-9, honest.p_value))
    blind = replace(honest, p_value=np.where(known >= 0, 0.9, honest.p_value))
    assert ("known_found" in failing(inside, blind, champion)) == stopped
    assert "known_found" not in failing(inside, champion, blind)
    assert "known_found" not in failing(inside, replace(blind, broken=known >= 0), champion)


def test_p_values_that_are_a_little_further_off_are_chance(common, honest):
    """Where the champion itself is far off, another seed is not stopped for the last digit."""
    found = np.repeat([0.0, 0.5], 20)
    champion = replace(honest, p_value=honest.p_value**2, injected=found)
    assert failing(common, replace(champion, p_value=honest.p_value**2.1), champion) == set()
    assert failing(common, replace(champion, p_value=honest.p_value**4), champion) == {
        "p_value_factor"
    }


def test_too_few_rows_are_no_evidence():
    """Nothing else is measured."""
    few = CommonRows(HeldOut.of(np.zeros(9)), np.full(9, -1), DEFAULT_TIMING)
    (check,) = measure(few, {}, SETTINGS)
    assert (check.name, check.evidence, check.limit) == ("rows", 9, SETTINGS.min_rows)


def test_a_level_keeps_to_a_number_of_events(common):
    """Just below, not above: rows far apart are an event each."""
    p_value = np.ones(ROWS)
    p_value[::500] = np.logspace(-8, -1.1, 8)
    level = level_at(common.rows, p_value, common.timing, events=3)
    assert (p_value <= level).sum() == 3


def test_a_level_is_not_one_at_which_events_have_grown_together(common):
    """Half of the rows flagged are a single event; of two versions one must not be seen there."""
    p_value = np.linspace(0.02, 1, ROWS)
    p_value[::500] = np.repeat([1e-4, 1e-3], 4)  # equal ones, from 0 to 4 to 8 events
    levels = [level_at(common.rows, p_value, common.timing, events=n) for n in (3, 5, 7)]
    assert levels == [1e-4, 1e-4, 1e-3]
