"""What a run writes down about what it used."""

import hashlib

from deid_udf import models
from deid_udf.lake.run import check_models
from deid_udf.plates.formats import FOLDER
from deid_udf.policy import Fill, Plates, load_policy


def test_a_run_names_its_models_and_the_files_of_its_plate_formats(models_cache):
    street = load_policy("conf/policy/street.yaml")
    told = check_models(street)
    assert told["clp"] == models.entry("clp").sha256
    formats = {name: sha for name, sha in told.items() if name.startswith("plate_format:")}
    assert formats == {
        f"plate_format:{name}": hashlib.sha256((FOLDER / f"{name}.yaml").read_bytes()).hexdigest()
        for name in ("cn-blue", "generic")
    }
    without = street.model_copy(update={"plates": Plates(mechanism=Fill(name="fill"))})
    assert not any(name.startswith("plate_format:") for name in check_models(without))
