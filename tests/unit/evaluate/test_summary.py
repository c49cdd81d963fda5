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
    assert l0["interval"] == {"blur": (0.25, 0.25), "mosaic": (0.5, 0.5)}  # pictures alike leave no doubt
    assert l0["better"] == {"blur": True, "mosaic": True}
    assert ssim["better"] == {"blur": False, "mosaic": True}
    assert l0["paper"]["ours"] == 44_674


def test_untouched_pictures_do_not_flatter_the_means() -> None:
    rows = _rows(("a", "ours", "l0", 10), ("a", "blur", "l0", 20), ("b", "ours", "l0", 0), ("b", "blur", "l0", 0))
    (l0,) = summary.utility_table(rows, paper.TABLE_1)
    assert l0["pictures"] == 1
    assert l0["here"] == {"ours": 10, "blur": 20}


def test_a_ratios_interval_tells_few_pictures_from_many() -> None:
    def interval(repeats: int) -> tuple[float, float]:
        values = [(f"{n}{i}", m, "l2", v) for n in range(repeats) for i, v in enumerate((10, 30)) for m in ("ours",)]
        values += [(f, "blur", "l2", 20) for f, *_ in values] + [(f, m, "l0", 1) for f, m, *_ in values]
        l2 = next(row for row in summary.utility_table(_rows(*values), paper.TABLE_1) if row["metric"] == "l2")
        assert l2["ratio"]["blur"] == 1
        found: tuple[float, float] = l2["interval"]["blur"]
        return found

    (low, high), (closer_low, closer_high) = interval(2), interval(50)
    assert low == 0.5 < closer_low < 1 < closer_high < high == 1.5


def test_methods_keep_their_order_and_missing_baselines_have_no_ratio() -> None:
    (l0,) = summary.utility_table(_rows(("a", "ours", "l0", 3), ("a", "dp_pix", "l0", 4)), paper.TABLE_1)
    assert list(l0["here"]) == ["ours", "dp_pix"]
    assert l0["ratio"] == l0["interval"] == {"blur": None, "mosaic": None}


def test_shares_of_legible_faces_have_upper_bounds() -> None:
    rows = [("a", "ours", "dlib_distance", 0.9, "face", 40.0)] * 60 + [
        ("a", "ours", "dlib_distance", 0.1, "face", 31.0)
    ]
    rows += [("a", "blur", "dlib_distance", 0.1, "face", 40.0)] * 2
    columns = ["file", "method", "metric", "value", "kind", "height"]
    ours, blur = summary.privacy_table(pd.DataFrame(rows, columns=columns))
    assert (ours["faces"], ours["legible_faces"], ours["within_dlib"]) == (61, 60, 0)
    assert ours["within_dlib_at_most"] == pytest.approx(1 - 0.05 ** (1 / 60))  # the rule of three: about 3 / 60
    assert (blur["within_dlib"], blur["within_dlib_at_most"], blur["within_facenet"]) == (1, 1, None)


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
        [("a", "ours", metric, value, "face", 40.0) for metric, value in faces]
        + [("a", "ours", metric, value, "plate", 40.0) for metric, value in plates],
        columns=["file", "method", "metric", "value", "kind", "height"],
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
