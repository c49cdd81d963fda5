import pytest

from deid_udf.detect.registry import open_detectors
from deid_udf.errors import ModelError
from deid_udf.policy import Detection, DetectorChoice


def test_detectors_come_in_the_policys_order_without_opening_weights():
    choices = tuple(DetectorChoice(model=name, threshold=0.2) for name in ("clp", "centerface"))
    assert [d.name for d in open_detectors(Detection(detectors=choices), "cpu")] == ["clp", "centerface"]


def test_an_unknown_detector_is_refused_by_name():
    with pytest.raises(ModelError, match=r"'vgg16'.*centerface.*clp"):
        open_detectors(Detection(detectors=(DetectorChoice(model="vgg16", threshold=0.2),)), "cpu")
