"""The page of an evaluation: every table and curve of its result, one file, no measured picture."""

import re

import numpy as np
import pandas as pd
import pytest

from deid_udf.evaluate import summary
from deid_udf.evaluate.paper import TABLE_1, TABLE_2
from deid_udf.report.evaluation import page

HEAD = {"data": "streets", "policy": "street", "policy_hash": "ab" * 32, "pictures": 3}


def _rows(**methods):
    rows = [("a", m, metric, v) for m, values in methods.items() for metric, v in values.items()]
    return pd.DataFrame(rows, columns=["file", "method", "metric", "value"])


@pytest.fixture
def tables():
    rows = _rows(
        ours={"l0": 10.0, "ssim": 0.99}, blur={"l0": 40.0, "ssim": 0.9}, mosaic={"l0": 40.0, "ssim": 0.995}
    )  # fmt: skip
    both = {"table_1": summary.utility_table(rows, TABLE_1), "table_2": summary.utility_table(rows, TABLE_2)}
    return HEAD | {"what": "tables", "dhash_side": 256, "privacy": []} | both


def test_tables_beside_the_papers(tables):
    picture = np.full((8, 8, 3), 200, np.uint8)
    html = page(tables, [("a drawn street", picture)])
    assert html.count("better than blur and mosaic on 1 of 2 metrics") == 2
    assert "0.25 (0.25–0.25)" in html  # ours over blur, and its interval
    assert "169,225" in html  # the paper's L0 of blur, Table 1
    assert "256² bits" in html
    assert "a drawn street" in html
    assert not re.search(r'(src|href)="(?!data:)', html)  # one file


def test_curves_run_from_nothing_to_infinity():
    privacy = [
        {"method": f"{mechanism} epsilon={epsilon}", "dlib_distance": value, "faces": 1}
        for mechanism, epsilon, value in (
            ("prior", "0", 0.8),
            ("laplace_vector", "8", 0.7),
            ("laplace_vector", "inf", 0.6),
        )
    ]
    result = HEAD | {"what": "faces", "privacy": privacy, "curves": summary.curve_table(privacy, [])}
    html = page(result)
    assert html.count("<svg") == 1
    for text in ("laplace_vector", "prior", "∞", "face distance, dlib"):
        assert text in html


def test_recall_and_generator_have_their_sections():
    bins = [{"from": 0.0, "to": 10.0, "objects": 0, "recall": None, "coverage": None},
            {"from": 10.0, "to": None, "objects": 2, "recall": 0.5, "coverage": 1.0}]  # fmt: skip
    row = {"detector": "union", "kind": "face", "objects": 2, "recall": 0.5, "recall_20px": None, "by_size": bins}
    assert "Recall of faces" in page(HEAD | {"what": "recall", "recall": [row]})
    told = {"name": "mobilestylegan", "samples": 2, "beyond": 1.0, "known_below": 0.35, "nearest": [0.5, 0.7],
            "closest": [{"seed": 1, "training": "x.jpg", "distance": 0.5}]}  # fmt: skip
    html = page(HEAD | {"what": "generator", "generator": told})
    assert "x.jpg" in html
    assert "<svg" in html
