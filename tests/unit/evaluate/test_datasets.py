"""Folders of pictures: each layout is read as it is described, and a broken description is refused."""

import json
from pathlib import Path

import cv2
import pytest

from deid_udf.errors import UsageError
from deid_udf.evaluate.datasets import Sample, Truth, read_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("b.jpg", "a.PNG", "notes.txt"):
        (tmp_path / "images" / name).write_bytes(b"x")
    return tmp_path


def test_a_bare_folder_is_pictures_of_which_nothing_is_known(folder: Path) -> None:
    images = folder / "images"
    (images / "deeper").mkdir()
    (images / "deeper" / "b.jpg").write_bytes(b"x")
    names = ("a.PNG", "b.jpg", "deeper/b.jpg")
    assert read_samples(folder) == [Sample(images / name, name, None) for name in names]
    assert read_samples(images, limit=1) == [Sample(images / "a.PNG", "a.PNG", None)]


def test_annotations(folder: Path) -> None:
    objects = [{"label": "plate", "box": [1, 2, 3, 4], "text": "AB1"}, {"label": "face", "box": [0, 0, 9, 9]}]
    (folder / "annotations.json").write_text(json.dumps([{"file": "b.jpg", "objects": objects}]))
    truth = (Truth("plate", (1, 2, 3, 4), "AB1"), Truth("face", (0, 0, 9, 9)))
    assert read_samples(folder) == [Sample(folder / "images" / "b.jpg", "b.jpg", truth)]


def test_rotated_boxes_keep_their_corners_within_an_upright_one(folder: Path) -> None:
    (folder / "index.csv").write_text(
        "file,colour,text,centre_x,centre_y,width,height,rotation_deg\n"
        "b.jpg,blue,京A,100,50,40,20,0\nb.jpg,blue,京B,100,50,40,20,90\nb.jpg,blue,京C,100,50,40,20,30\n",
        encoding="utf-8",
    )
    (sample,) = read_samples(folder)
    assert sample.truth is not None
    assert (sample.truth[0].kind, sample.truth[0].text) == ("plate", "京A")
    assert sample.truth[0].box == pytest.approx((80, 40, 120, 60), abs=1e-4)
    assert sample.truth[1].box == pytest.approx((90, 30, 110, 70), abs=1e-4)
    slanted = sample.truth[2]
    assert slanted.box == pytest.approx((77.68, 31.34, 122.32, 68.66), abs=0.01)
    assert cv2.contourArea(slanted.outline) == pytest.approx(800, rel=1e-3)
    assert Truth("plate", (0, 0, 4, 2)).outline.tolist() == [[0, 0], [4, 0], [4, 2], [0, 2]]


def test_an_index_without_boxes_is_no_annotation(folder: Path) -> None:
    (folder / "index.csv").write_text("file,licence\nb.jpg,CC0-1.0\n")
    assert [s.truth for s in read_samples(folder)] == [None, None]


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"file": "a", "objects": [{"label": "dog", "box": [1, 2, 3, 4]}]}]'])
def test_a_broken_description_is_refused(folder: Path, text: str) -> None:
    (folder / "annotations.json").write_text(text)
    with pytest.raises(UsageError, match="description"):
        read_samples(folder)


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        read_samples(tmp_path / "none")
    with pytest.raises(UsageError, match="no pictures"):
        read_samples(tmp_path)
