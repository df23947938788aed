"""Learn, validate and calibrate parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aedetect.data import Rows
from aedetect.preprocessing import Part, split_by_time


def rows(*counts):
    """Entities with given numbers of rows."""
    return Rows(
        time=np.concatenate([np.arange(count) for count in counts]),
        entity=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        names=tuple(str(number) for number in range(len(counts))),
        values=np.zeros((sum(counts), 1)),
    )


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=4),
    st.floats(0.05, 0.85),
    st.integers(0, 20),
)
def test_parts_follow_each_other_in_time_within_each_entity(counts, holdout, gap):
    """Calibration rows are later than validation rows, which are later than training rows."""
    table = rows(*counts)
    part = split_by_time(table, holdout=holdout, gap=gap)
    for entity in range(len(counts)):
        own = part[table.entity == entity]
        assert (np.diff(own[own != Part.GAP]) >= 0).all()


def test_an_entity_is_split_though_it_comes_after_the_others():
    """Entities may have been recorded one after another."""
    part = split_by_time(rows(100, 100), holdout=0.2, gap=0).reshape(2, 100)
    assert part[0].tolist() == part[1].tolist()
    assert np.bincount(part[0]).tolist() == [72, 8, 20]


def test_rows_between_two_parts_belong_to_none():
    """Neighbours in time are similar; few rows are lost."""
    part = split_by_time(rows(1000), holdout=0.2, gap=16)
    changes = np.flatnonzero(np.diff(part))
    assert part[changes].tolist() == [Part.LEARN, Part.GAP, Part.VALIDATE, Part.GAP]
    assert (part == Part.GAP).sum() == 32


def test_the_gap_is_a_small_share_of_a_short_entity():
    """A wide gap does not use up an entity with few rows."""
    assert (split_by_time(rows(100), holdout=0.2, gap=50) == Part.GAP).sum() == 4


def test_entities_too_short_to_validate_give_their_share_together():
    """8 % of 230 rows hold no window of 16; of 200 entities they hold hundreds."""
    part = split_by_time(rows(*[230] * 200), holdout=0.2, gap=16).reshape(200, 230)
    assert ((part == Part.CALIBRATE).sum(axis=1) == 46).all()  # each one: the promise holds for it
    given = (part == Part.VALIDATE).sum(axis=1)
    assert set(given.tolist()) == {0, 32}
    assert abs(given.sum() - 200 * 14) <= 16  # 18 rows each, less the gap
    assert (np.diff(np.flatnonzero(given)) > 0).all()
    assert ((part == Part.LEARN).sum(axis=1) >= 144).all()


def test_entities_too_short_to_calibrate_are_held_out_in_part_by_turns():
    """Every few give a longer tail, so that the share that is held out is as it was asked for."""
    part = split_by_time(rows(*[40] * 1000), holdout=0.2, gap=16).reshape(1000, 40)
    held = (part == Part.CALIBRATE).sum(axis=1)
    assert set(held.tolist()) == {0, 24}
    assert abs(held.sum() - 8000) <= 12
    assert ((part == Part.LEARN).sum(axis=1) >= 8).all()
    assert part[held > 0][:, -24:].tolist() == [[Part.CALIBRATE] * 24] * (held > 0).sum()


def test_short_entities_do_not_change_how_a_long_one_is_split():
    """A long one gives its own share of every part."""
    alone = split_by_time(rows(1000), holdout=0.2, gap=16)
    among = split_by_time(rows(*[50] * 20, 1000), holdout=0.2, gap=16)
    np.testing.assert_array_equal(among[-1000:], alone)


def test_which_short_entities_are_held_out_does_not_follow_their_order():
    """Where every second one is another kind of machine, both kinds are held out."""
    part = split_by_time(rows(*[20] * 400), holdout=0.2, gap=8).reshape(400, 20)
    held = (part == Part.CALIBRATE).any(axis=1)
    again = split_by_time(rows(*[20] * 400), holdout=0.2, gap=8).reshape(400, 20)
    np.testing.assert_array_equal(part, again)
    assert 0.3 < held[::2].sum() / held.sum() < 0.7
