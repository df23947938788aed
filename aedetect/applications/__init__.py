"""Further applications of an autoencoder: denoise, impute, find similar windows."""

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
