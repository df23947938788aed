"""The report of a scoring run as text: one line, or markdown."""

from __future__ import annotations

import re

from aedetect.scoring.outcome_table import describe_others, describe_outcome
from aedetect.scoring.run_warnings import with_remedy
from aedetect.scoring.summary import Summary, summary_fields


def summary_line(summary: Summary) -> str:
    """Return the summary in one line."""
    return " ".join(f"{name}={_short(value)}" for name, value in summary_fields(summary).items())


def summary_markdown(summary: Summary) -> str:
    """Return the summary as markdown."""
    fields = summary_fields(summary).items()
    rows = [f"| {name} | {_cell(_short(value))} |" for name, value in fields]
    parts = ["| | |", "|---|---|", *rows]
    lists = {
        "Alerts": summary.alerts.values(),
        "Warnings": summary.warnings,
        "Outcome and promise": [
            *(describe_outcome(each) for each in summary.outcome),
            *filter(None, map(describe_others, summary.outcome)),
        ],
        "Rows suppressed": [f"{n:,}: {why}" for why, n in summary.suppressed.items()],
        "Rows not scored": [f"{n:,}: {with_remedy(why)}" for why, n in summary.not_scored.items()],
        "Files quarantined": summary.quarantined,
        "Files passed over": summary.passed_over,
        "Withdrawn": summary.withdrawn,
        "Deferred": summary.deferred,
    }
    for title, entries in lists.items():
        if entries:
            shown = list(entries)[:100]
            parts += ["", f"**{title}**", "", *(f"- {_literal(each)}" for each in shown)]
    return "\n".join([*parts, "", f"Verdicts in {_literal(summary.output)}."])


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _literal(text: str) -> str:
    """Write a text that holds names of columns and files so that no markdown is read in it.

    Within a code span nothing is markup: no image, link, heading or tag; its fence is longer than
    any run of backticks in it.
    """
    line = "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def _cell(text: str) -> str:
    """Write a text into a table: as it is when no markdown can be read in it."""
    plain = re.fullmatch(r"[\w.:+/-]*", text) and "//" not in text and "www." not in text
    return text if plain else _literal(text).replace("|", "\\|")
