import zipfile

import cv2
import numpy as np
import pytest

from deid_udf import models


@pytest.fixture(scope="session")
def person(models_cache):
    """A photograph of a synthetic person, uint8 RGB, 480 px wide."""
    with zipfile.ZipFile(models.path("openpeople")) as archive:
        name = min(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg")))
        image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return cv2.resize(image, (480, round(image.shape[0] * 480 / image.shape[1])), interpolation=cv2.INTER_AREA)
