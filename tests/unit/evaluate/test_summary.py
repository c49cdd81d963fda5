"""Summaries worked by hand: means, ratios, what counts as better, and recall by size."""

import pandas as pd
import pytest

from deid_udf.evaluate import paper, summary


def _rows(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["file", "method", "metric", "value"])


def test_the_papers_own_numbers_reproduce_its_text() -> None:
    ratio = paper.TABLE_1["dhash"]["ours"] / paper.TABLE_1["dhash"]["blur"]
    assert 1 - ratio == pytest.approx(0.9502, abs=1e-4)  # "decreases 95.02 %"
    ratio = paper.TABLE_2["l2"]["ours"] / paper.TABLE_2["l2"]["mosaic"]
    assert 1 - ratio == pytest.approx(0.8108, abs=1e-4)  # "decrease … 81.08 %"


def test_means_ratios_and_verdicts() -> None:
    rows = _rows(
        *((f, m, "l0", v) for f in "ab" for m, v in (("ours", 10), ("blur", 40), ("mosaic", 20))),
        *((f, m, "ssim", v) for f in "ab" for m, v in (("ours", 0.9), ("blur", 0.95), ("mosaic", 0.8))),
    )
    l0, ssim = summary.utility_table(rows, paper.TABLE_1)
    assert l0["ratio"] == {"blur": 0.25, "mosaic": 0.5}
    assert l0["better"] == {"blur": True, "mosaic": True}
    assert ssim["better"] == {"blur": False, "mosaic": True}
    assert l0["paper"]["ours"] == 44_674


def test_untouched_pictures_do_not_flatter_the_means() -> None:
    rows = _rows(("a", "ours", "l0", 10), ("a", "blur", "l0", 20), ("b", "ours", "l0", 0), ("b", "blur", "l0", 0))
    (l0,) = summary.utility_table(rows, paper.TABLE_1)
    assert l0["pictures"] == 1
    assert l0["here"] == {"ours": 10, "blur": 20}


def test_privacy_thresholds() -> None:
    faces = [("dlib_distance", 0.2), ("dlib_distance", 0.5), ("dlib_distance", 0.8), ("still_found", 1)]
    faces += [("facenet_distance", 0.1), ("facenet_distance", 1.9)]
    plates = [
        ("plate_distance", 0),
        ("plate_distance", 5),
        ("still_found", 0),
        ("plate_unread", 0),
        ("plate_unread", 1),
    ]
    plates += [("new_text_read", 1), ("province_survives", 0), ("country_survives", 1), ("plate_epsilon", 7)]
    rows = pd.DataFrame(
        [("a", "ours", metric, value, "face") for metric, value in faces]
        + [("a", "ours", metric, value, "plate") for metric, value in plates],
        columns=["file", "method", "metric", "value", "kind"],
    )
    (ours,) = summary.privacy_table(rows)
    assert ours["protected_paper"] == pytest.approx(2 / 3)
    assert ours["protected_dlib"] == pytest.approx(1 / 3)
    assert ours["confidence"] == pytest.approx(50)
    assert ours["protected_facenet"] == 0.5
    assert ours["plates_read_as_before"] == 0.5
    assert ours["plates_protected_paper"] == ours["plates_unread"] == 0.5
    assert (ours["plates_new_text_read"], ours["plates_same_province"], ours["plates_same_country"]) == (1, 0, 1)
    assert ours["plates_epsilon"] == 7
    assert (ours["faces_found"], ours["plates_found"]) == (1, 0)


def test_recall_by_size() -> None:
    rows = pd.DataFrame(
        [
            {"file": "a", "method": "union", "metric": m, "value": v, "kind": "face", "height": h}
            for m, v, h in (
                ("found", 1, 30),
                ("found", 0, 8),
                ("coverage", 0.69, 30),
                ("coverage", 0.7, 8),
                ("false", 2, None),
            )
        ]
    )
    (union,) = summary.recall_table(rows)
    assert (union["recall"], union["recall_20px"], union["coverage"], union["false_per_picture"]) == (0.5, 1, 0.5, 2)
    assert [b["objects"] for b in union["by_size"]] == [1, 0, 1, 0]
    assert union["by_size"][1]["recall"] is None


def test_curves_are_ordered_by_mechanism_and_epsilon() -> None:
    names = ("b epsilon=inf", "ours", "a epsilon=16", "a epsilon=4")
    privacy = [{"method": name, "faces": 1, "dlib_distance": float(i)} for i, name in enumerate(names)]
    utility = [{"metric": "l2", "here": {"a epsilon=4": 7.0}}]
    points = summary.curve_table(privacy, utility)
    assert [(p["mechanism"], p["epsilon"], p["dlib_distance"]) for p in points] == [
        ("a", "4", 3), ("a", "16", 2), ("b", "inf", 0),
    ]  # fmt: skip
    assert [p["l2"] for p in points] == [7, None, None]
