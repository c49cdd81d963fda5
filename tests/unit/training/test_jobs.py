"""What the two training jobs say when they are used wrongly."""

import pytest

from jobs import train_detector, train_generator


@pytest.mark.parametrize("job", [train_detector, train_generator])
def test_a_wrong_configuration_is_one_line(job, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("steps: many\n")
    place = "--data" if job is train_detector else "--faces"
    options = [place, str(tmp_path), "--out", str(tmp_path / "run"), "--config", str(tmp_path / "c.yaml")]
    assert job.main(options) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("job", [train_detector, train_generator])
def test_missing_data_is_named(job, tmp_path, capsys, models_cache):
    place = "--data" if job is train_detector else "--faces"
    assert job.main([place, str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
