"""The command that compares variants, and its table."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides

if TYPE_CHECKING:
    from aedetect.cli.plain_table import PlainTable
    from aedetect.evaluation import Comparison


def compare(
    config: ConfigPath,
    overrides: Overrides = None,
    variants: Annotated[
        str, typer.Option(metavar="A,B,C", help="Variants to compare, beside linear; default: all.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Train several variants on the same rows, rank them, and report whether any beats linear."""
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress
    from aedetect.cli.show import print_json
    from aedetect.evaluation.comparison import verdict
    from aedetect.jobs.comparison import choose_variants
    from aedetect.jobs.comparison import compare_variants as run

    settings = load_config(config, overrides or [])
    chosen = choose_variants([name.strip() for name in variants.split(",") if name.strip()])
    with progress(f"comparing {len(chosen)} variants"):
        # CPU time of the thread: variants trained in parallel do not count.
        compared = run(settings, chosen, clock=time.thread_time, jobs=os.cpu_count() or 1)
    if as_json:
        print_json({"comparison": compared, "verdict": verdict(compared)})
    else:
        print_comparison(compared, tracking_uri=settings.tracking_uri)


def print_comparison(compared: Comparison, *, tracking_uri: str) -> None:
    """Show the ranking and its uncertainty."""
    from aedetect.cli.show import console, relative_location
    from aedetect.evaluation.comparison import verdict
    from aedetect.evaluation.ranking import SHARE

    out = console()
    out.print(
        f"average precision of {compared.anomalies:,} anomalies injected into copies of "
        f"{compared.normal_rows:,} held-out normal rows, by kind (a random score: {SHARE})"
        + (f", and of {compared.labelled_rows:,} labelled rows" if compared.labelled_rows else "")
    )
    out.print(_ranking(compared))
    if compared.agreement is not None:
        out.print(
            "agreement of the rankings by injected and by labelled anomalies: Kendall's tau "
            f"{compared.agreement:.2f}"
        )
    out.print(verdict(compared))
    out.print(f"runs below {compared.run_id} in {relative_location(tracking_uri)}")


def _ranking(compared: Comparison) -> PlainTable:
    """Return the table: one row per variant, the best first."""
    from aedetect.cli.show import table_of

    kinds = [kind.split("_")[0] for kind in compared.results[0].kinds]
    table = table_of("variant", "injected", *kinds, "labelled", "train s", "rows/s", right=True)
    for each in compared.results:
        labelled = "-" if each.labelled is None else f"{each.labelled:.3f}"
        scores = [f"{score:.3f}" for score in (each.injected, *each.kinds.values())]
        speed = (f"{each.seconds:.1f}", f"{each.rows_per_second:,.0f}")
        table.add_row(each.variant, *scores, labelled, *speed)
    return table
