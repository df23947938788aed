"""The command export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides


def export(
    config: ConfigPath,
    onnx: Annotated[Path, typer.Option(metavar="FILE", help="The ONNX file to write.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write scaling, network and score of the version that scores as one ONNX graph."""
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress
    from aedetect.cli.show import console, print_json
    from aedetect.jobs.onnx_export import export_onnx

    settings = load_config(config, overrides or [])
    with progress(f"exporting {settings.model_reference}"):
        done = export_onnx(settings, onnx)
    if as_json:
        print_json(done)
        return
    out = console()
    out.print(
        f"{done.path}: scores of {done.model}, calibration {done.calibration_version}, threshold "
        f"{done.threshold:.4g}; equal to those of aedetect within {done.difference:.1g} on "
        f"{done.rows:,} rows",
        soft_wrap=True,
    )
    out.print(f"not in the graph: {done.not_included}", soft_wrap=True)
