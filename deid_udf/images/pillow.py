"""Pillow at work on bytes from outside."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from deid_udf.errors import Quarantined, Reason
from deid_udf.images.container import truncated, unreadable


@contextmanager
def untrusted(what: str) -> Iterator[None]:
    """Turn whatever Pillow raises on a hostile file into `Quarantined`, and silence its warnings.

    Args:
        what: what is damaged, should it be; no content of the file.

    Raises:
        Quarantined: TRUNCATED, UNREADABLE, or TOO_LARGE beyond the size that Pillow opens at all.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Quarantined:
        raise
    except Image.DecompressionBombError:
        raise Quarantined(Reason.TOO_LARGE, "beyond what the decoder opens") from None
    except Exception as error:  # parsers of damaged structures raise anything at all
        kind = truncated if "truncated" in str(error) else unreadable
        raise kind(f"{what} ({type(error).__name__})") from None


def open_as(image_format: str, data: bytes) -> Image.Image:
    """Open the header of a file as one format and no other."""
    return Image.open(io.BytesIO(data), formats=(image_format.upper(),))
