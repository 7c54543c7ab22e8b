"""The result files of full runs: each says where its numbers come from, and none is invented."""

from pathlib import Path

import pytest

from latentlab.course import load_reference

FOLDER = Path(__file__).parents[1] / "data" / "reference"
LARGE = ("CIFAR-10", "MNIST", "coloured_shapes")  # the last as the homework renders it, 64 × 64
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def test_there_are_references():
    assert "01_vicreg" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_says_which_data_it_comes_from(name):
    origin = load_reference(name).provenance
    assert len(origin["commit"]) == 40
    assert origin["data"] and all(
        data["name"].startswith(LARGE) and len(data["checksum"]) == 64 for data in origin["data"]
    )
    assert origin["seconds"] is None or origin["seconds"] > 10
    assert origin["hardware"]["cores"] >= 1 and origin["torch"]
