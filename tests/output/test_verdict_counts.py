"""Counts of verdicts in the footer of scores."""

import pyarrow as pa

from aedetect.output import verdict_counts
from aedetect.output.verdict_counts import VERDICTS_KEY, VerdictCounter, VerdictCounts


def _batch(entity, verdict):
    return pa.record_batch({"entity": pa.array(entity, pa.string()), "verdict": verdict})


def test_rows_are_counted_however_they_are_cut():
    """Suppressed rows and rows that are not scored do not count; batches do not matter."""
    entity = ["a", "b", None, "a", "c", "a"] * 50
    verdict = ["normal", "anomaly", "anomaly", "suppressed", "not_scored", "anomaly"] * 50
    whole, cut = VerdictCounter(), VerdictCounter()
    whole.add(_batch(entity, verdict))
    for at in range(0, 300, 3):
        cut.add(_batch(entity[at : at + 3], verdict[at : at + 3]))
    assert whole.footer() == cut.footer()
    found = VerdictCounts.of_footer(whole.footer())
    assert (found.judged, found.flagged) == (200, 150)
    assert found.entities == {"a": (100, 50), "b": (50, 50), None: (50, 50), "c": (0, 0)}
    assert found.complete


def test_few_entities_are_listed_as_many_are(monkeypatch):
    """In the same order, the nameless one last of equal ones."""
    names = ["é", "b", None, "a", "Z", "a\U0001f600", "a\uffff", ""]
    batch = _batch(names * 2, ["anomaly", "normal"] * 8)
    footers = []
    for few in (1_000, 0):
        monkeypatch.setattr(verdict_counts, "_FEW", few)
        counter = VerdictCounter()
        counter.add(batch)
        counter.add(_batch(["b"], ["anomaly"]))
        footers.append(counter.footer())
    assert footers[0] == footers[1]
    found = VerdictCounts.of_footer(footers[0]).entities
    assert list(found) == ["Z", "a\uffff", "é", None, "b", "", "a", "a\U0001f600"]


def test_a_footer_lists_a_bounded_number_of_entities():
    """Of many entities those with most flagged rows are listed; all count in the total."""
    names = [f"e{n}" for n in range(5000)] + ["loud"]
    counter = VerdictCounter()
    counter.add(_batch([*names, "loud"], ["anomaly"] * 5002))
    found = VerdictCounts.of_footer(counter.footer())
    assert found.flagged == 5002
    assert (len(found.entities), found.complete) == (200, False)
    assert found.entities["loud"] == (2, 2)


def test_a_file_of_an_earlier_version_has_no_counts():
    """It is not taken for a partition without flagged rows."""
    assert VerdictCounts.of_footer({}) is None
    listed = VerdictCounts.of_footer({VERDICTS_KEY: b'[200, 1, [["a", 100, 1]]]'})
    assert (listed.entities, listed.complete) == ({"a": (100, 1)}, False)
