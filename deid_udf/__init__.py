"""Privacy-preserving street images: detect, replace under differential privacy, account."""

from deid_udf.api import deidentify_column

__all__ = ["deidentify_column"]
