"""Further applications of an autoencoder: denoise, impute, find similar windows."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.applications.denoise import clean_rows
    from aedetect.applications.embeddings import Embeddings
    from aedetect.applications.impute import impute_rows
    from aedetect.applications.rewrite import rewrite_table

__all__ = [
    "Embeddings",
    "clean_rows",
    "impute_rows",
    "rewrite_table",
]

__getattr__ = on_first_use(
    __name__,
    {
        "denoise": ("clean_rows",),
        "embeddings": ("Embeddings",),
        "impute": ("impute_rows",),
        "rewrite": ("rewrite_table",),
    },
)
