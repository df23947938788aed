"""The description of an event."""

from __future__ import annotations

import pytest

from aedetect.events.description import describe_event, plain_number


def cause(feature, observed, expected, share=0.3):
    """The cause of one feature."""
    return {"feature": feature, "share": share, "observed": observed, "expected": expected}


def limits(feature, low, high):
    """The expected range of a feature outside it."""
    return {"feature": feature, "low": low, "high": high}


@pytest.mark.parametrize(
    ("observed", "low", "high", "text"),
    [
        (3.1, 0.196, 0.604, "w 3.1, normally 0.2 to 0.6"),
        (7.0, 1.0, 2.04, "w 7, normally 1 to 2"),
        (0.0802, 0.3, 3.8, "w 0.08, normally 0.3 to 3.8"),
        (0.605, 0.2, 0.604, "w 0.605, normally 0.2 to 0.604"),  # not 0.6 above 0.6
        (1_020.0, 1_013.24, 1_018.9, "w 1,020, normally 1,013.2 to 1,018.9"),
        (-3.0, -0.5, 0.5, "w -3, normally -0.5 to 0.5"),
        (123_456.0, 80_000.0, 90_000.0, "w 123,456, normally 80,000 to 90,000"),
        (0.1, 0.0, 0.0, "w 0.1, normally 0"),
        (3e-9, 1e-9, 2e-9, "w 3e-09, normally 1e-09 to 2e-09"),
    ],
)
def test_a_number_is_given_with_its_range(observed, low, high, text):
    """With as many digits as show both, and no more."""
    assert describe_event([cause("w", observed, 1.0)], [limits("w", low, high)], {}) == text


def test_a_unit_follows_the_observed_value():
    """Once is enough."""
    text = describe_event([cause("w", 3.1, 0.4)], [limits("w", 0.2, 0.6)], {"w": "MB/s"})
    assert text == "w 3.1 MB/s, normally 0.2 to 0.6"


def test_a_feature_inside_its_range_is_given_with_one_value():
    """It is anomalous only in combination with others, so a range would mislead."""
    assert describe_event([cause("w", 0.43219, 0.51234)], [], {}) == "w 0.432, normally about 0.512"


def test_a_value_that_is_usual_in_itself_is_said_to_be_wrong_given_the_others():
    """The other columns must be looked at too; rows of before do not say."""
    seen = cause("w", 0.4, 0.5) | {"unusual": "given the others"}
    assert describe_event([seen], [], {}) == "w 0.4, normally about 0.5 given the others"
    alone = cause("w", 0.4, 0.5) | {"unusual": "in itself"}
    assert describe_event([alone], [], {}) == "w 0.4, normally about 0.5"


def test_a_category_is_given_with_the_expected_one():
    """Its limits name it; without limits the model was not certain."""
    seen = [cause("state=off", 1.0, 0.1)]
    assert (
        describe_event(seen, [limits("state=on", None, None)], {}) == "state was off, normally on"
    )
    assert describe_event(seen, [], {}) == "state was off, which is unusual here"
    new = [cause("state=(new)", 1.0, 0.0)]
    text = describe_event(new, [limits("state=on", None, None)], {})
    assert text == "state was a value never seen in training, normally on"


def test_the_three_largest_causes_are_described():
    """Except negligible ones; a missing value is described as missing."""
    causes = [cause(name, 2.0, 1.0, share) for name, share in zip("abcd", (0.5, 0.2, 0.2, 0.1),
                                                                  strict=True)]  # fmt: skip
    assert describe_event(causes, [], {}).split("; ")[2] == "c 2, normally about 1"
    assert len(describe_event(causes, [], {}).split("; ")) == 3
    causes[1:] = [cause("b", None, 1.0, 0.06), cause("c", 1.0, 1.0, 0.01)]
    assert describe_event(causes, [], {}) == "a 2, normally about 1; b missing"


def test_plain_numbers():
    """Three digits, and an exponent only far from 1."""
    assert [plain_number(x) for x in (0.0, -3.14159, 1013.2, 1e20)] == [
        "0",
        "-3.14",
        "1,013",
        "1e+20",
    ]


def test_the_rule_that_flagged_a_row_comes_first():
    """Unless the cause says it already."""
    stuck = "w is stuck: the same for longer than ever in training"
    said = describe_event([cause("w", 1.0, 1.1)], [], {}, rule=stuck)
    assert said == f"{stuck} (1, normally about 1.1)"
    new = [cause("state=(new)", 1.0, 0.0)]
    assert describe_event(new, [], {}, rule="state has a value never seen in training") == (
        describe_event(new, [], {})
    )


def test_the_loss_of_a_column_is_all_there_is_to_say():
    """Nothing was observed."""
    assert describe_event([cause("w", None, 1.1)], [], {}, rule="w is missing") == "w is missing"


def test_numbers_of_the_rule_stand_behind_it():
    """Its column is named once; others follow, and none that is inside its range."""
    far = "w is far beyond its training range"
    causes = [cause("w", 9.0, 1.0), cause("v", 5.0, 1.0), cause("u", 1.0, 1.1)]
    outside = [limits("w", 0.5, 1.5), limits("v", 0.0, 2.0)]
    text = describe_event(causes, outside, {"w": "bar"}, rule=far)
    assert text == f"{far} (9 bar, normally 0.5 to 1.5); v 5, normally 0 to 2"
    followed = describe_event([cause("w", 9.0, 8.8)], [], {"w": "bar"}, rule=far)
    assert followed == f"{far} (9 bar)"  # the rows before were as far


def test_a_value_at_the_edge_of_its_range_is_not_told():
    """Beside one that is clearly outside, it would read as inside."""
    causes = [cause("w", 9.0, 1.0), cause("so", 0.412, 0.2)]
    outside = [limits("w", 0.5, 1.5), limits("so", 0.0, 0.41)]
    assert describe_event(causes, outside, {}) == "w 9, normally 0.5 to 1.5"
    assert describe_event(causes[1:], outside[1:], {}) == "so 0.412, normally 0 to 0.41"


def test_values_that_read_as_what_is_expected_are_not_told():
    """Such as "107, normally about 107"; neither is a small cause beside a large one."""
    causes = [
        cause("v", 2.77, 2.57, 0.6),
        cause("q", 107.2, 106.9, 0.25),
        cause("p", 5.0, 4.0, 0.1),
    ]
    assert describe_event(causes, [], {}) == "v 2.77, normally about 2.57"
    assert describe_event(causes[1:2], [], {}) == "q 107, unusual after the rows before"
    within = describe_event([cause("n", 0.0, 0.0)], [limits("n", 0.0, 0.0)], {})
    assert within == "n 0, unusual after the rows before"


def test_more_columns_are_counted():
    """Those that are outside their range too."""
    names = "abcde"
    causes = [cause(name, 9.0, 1.0, 0.2) for name in names]
    outside = [limits(name, 0.5, 1.5) for name in names]
    assert describe_event(causes, outside, {}).endswith(
        "c 9, normally 0.5 to 1.5; and 2 more columns"
    )
    assert describe_event(causes[:4], outside, {}).endswith("; and 1 more column")
