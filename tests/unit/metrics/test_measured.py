from dataclasses import replace

import pytest

from deid_udf import models
from deid_udf.metrics.measured import FILE, MeasuredDetector, known_recall, read_measurements
from deid_udf.models import ROOT
from deid_udf.policy import load_policy

STREET = load_policy(ROOT / "conf/policy/street.yaml").detection
WEIGHTS = {choice.model: models.entry(choice.model).sha256 for choice in STREET.detectors}


def test_what_ships_is_well_formed_and_about_known_detectors():
    measurements = read_measurements()
    assert FILE.parent == ROOT / "deid_udf/weights"
    for one in measurements:
        assert one.objects > 0
        assert all(0 <= share <= 1 for share in (one.recall, one.recall_20px, one.coverage, *one.by_height.values()))
        assert one.detectors.keys() <= models.registry().keys()
    assert {one.kind for one in measurements} == {"face", "plate"}


def test_a_measurement_speaks_for_a_policy_with_its_detectors_thresholds_and_weights_alone():
    (one, *_) = [m for m in read_measurements() if len(m.detectors) == 2 and m.kind == "plate"]
    choices = tuple(
        choice.model_copy(update={"threshold": one.detectors[choice.model].threshold})
        for choice in STREET.detectors
        if choice.model in one.detectors
    )
    detection = STREET.model_copy(update={"detectors": choices})
    weights = {name: detector.sha256 for name, detector in one.detectors.items()}

    def told(detection=detection, weights=weights, one=one):
        return {(k.whole, k.differences) for k in known_recall(detection, weights, [one]) if k.measurement == one}

    assert told() == {(True, ())}
    assert told(weights=weights | {"clp": "0" * 64}) == {(True, ("other weights of clp",))}
    closer = [choice.model_copy(update={"scale": 2.0}) for choice in choices]
    assert told(detection.model_copy(update={"detectors": tuple(closer)})) == {
        (True, tuple(f"{name} at other scales" for name in one.detectors))
    }
    other = choices[0].model_copy(update={"threshold": 0.33})
    assert told(detection.model_copy(update={"detectors": (other, choices[1])})) == {
        (True, (f"{other.model} at {one.detectors[other.model].threshold:g}, not 0.33",))
    }
    assert told(detection.model_copy(update={"grow": {"plate": 0.1}})) == {(True, ("grown by 0.3, not 0.1",))}
    assert told(detection.model_copy(update={"largest": {"plate": 0.01}})) == {
        (True, ("doubtful ones up to 0.3 of the frame, not 0.01",))
    }
    assert told(detection.model_copy(update={"classes": {"sign": "veto"}})) == {(True, ("signs may veto",))}
    assert told(one=replace(one, detectors={"clp": one.detectors["clp"]})) == {(False, ())}


def test_of_several_thresholds_the_one_nearest_to_the_policy_is_shown():
    (one, *_) = [m for m in read_measurements() if m.detectors.keys() == {"clp"}]
    far = replace(one, detectors={"clp": replace(one.detectors["clp"], threshold=0.7)}, recall=0.1)
    shown = [k.measurement for k in known_recall(STREET, WEIGHTS, [far, one]) if k.kind == "plate"]
    assert shown == [one]


@pytest.mark.parametrize("kind", ["face", "plate"])
def test_a_kind_that_nobody_measured_says_so(kind):
    stranger = MeasuredDetector(0.5, "0" * 64)
    measurements = [replace(m, detectors={"stranger": stranger}) for m in read_measurements()]
    known = known_recall(STREET, WEIGHTS, measurements)
    assert [(k.measurement, k.differences) for k in known if k.kind == kind] == [(None, ("not measured",))]


def test_what_the_policy_keeps_needs_no_recall():
    detection = STREET.model_copy(update={"classes": {"face": "keep", "plate": "private"}})
    assert {k.kind for k in known_recall(detection, WEIGHTS, read_measurements())} == {"plate"}
