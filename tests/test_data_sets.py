"""Dataset, load, MNIST and CIFAR-10."""

import hashlib
import pickle
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from latentlab.data import Dataset, binarise, data_root, load, real, repository
from latentlab.data.foreign import to_input


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path))


def small(n=60, classes=3):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, 3, 4, 4), dtype=torch.uint8, generator=generator)
    labels = torch.arange(n) * torch.arange(n) % 7 % classes
    return Dataset("small", "train", images, labels, tuple("abc"[:classes]), factors={"place": torch.arange(n)})


def test_checksum_covers_images_then_labels():
    data = small()
    assert data.checksum == hashlib.sha256(data.images.numpy().tobytes() + data.labels.numpy().tobytes()).hexdigest()
    assert data.subset(torch.arange(59, -1, -1)).checksum != data.checksum
    assert data.subset(torch.arange(60)).checksum == data.checksum


def test_subset_and_first_keep_labels_and_factors_with_their_images():
    data = small()
    part = data.subset(torch.tensor([7, 3, 3]))
    assert torch.equal(part.images, data.images[[7, 3, 3]]) and torch.equal(part.labels, data.labels[[7, 3, 3]])
    assert part.factors["place"].tolist() == [7, 3, 3] and part.checksum != data.checksum
    assert data.first(5).factors["place"].tolist() == [0, 1, 2, 3, 4] and len(data.first(5)) == 5
    with pytest.raises(IndexError):
        data.subset(torch.tensor([60]))


@pytest.mark.parametrize("n", [1, 2, 13, 30, 59])
def test_holdout_parts_are_disjoint_complete_and_stratified(n):
    data = small()
    rest, held = data.holdout(n, seed=4)
    assert (len(rest), len(held)) == (60 - n, n)
    assert sorted(rest.factors["place"].tolist() + held.factors["place"].tolist()) == list(range(60))
    expected = data.labels.bincount() * n / 60
    assert (held.labels.bincount(minlength=3) - expected).abs().max() <= 1
    assert torch.equal(data.holdout(n, seed=4)[1].images, held.images)


def test_holdout_depends_on_the_seed_and_refuses_impossible_sizes():
    data = small()
    assert (
        data.holdout(20, seed=1)[1].factors["place"].tolist() != data.holdout(20, seed=2)[1].factors["place"].tolist()
    )
    for n in (0, 60):
        with pytest.raises(ValueError, match="60 images.*between 1 and 59"):
            data.holdout(n, seed=0)
    with pytest.raises(ValueError, match="between 1 and 60, not 61"):
        data.first(61)


def test_parts_that_do_not_fit_together_are_refused():
    data = small()
    wrong = {
        "uint8": (data.images.float(), data.labels, {}),
        "int64": (data.images, data.labels[:-1], {}),
        "0 … 2": (data.images, data.labels + 1, {}),
        "'place'": (data.images, data.labels, {"place": torch.arange(3)}),
    }
    for message, (images, labels, factors) in wrong.items():
        with pytest.raises(ValueError, match=message):
            Dataset("small", "train", images, labels, tuple("abc"), factors=factors)


def test_repr_is_one_short_line():
    assert repr(small()) == "Dataset('small', train: 60 images 3×4×4, 3 classes)"


def test_fewer_images_are_a_stratified_draw_by_seed():
    a, b = load("digits", n=200), load("digits", n=200, seed=1)
    assert len(a) == 200 and (a.labels.bincount() - 20).abs().max() <= 1
    assert a.checksum != b.checksum and a.checksum == load("digits", n=200).checksum
    with pytest.raises(ValueError, match="1,437"):
        load("digits", n=2000)


def test_arguments_that_mean_nothing_here_are_refused():
    with pytest.raises(ValueError, match="size"):
        load("shapes10", size=32)
    with pytest.raises(FileNotFoundError, match="'no-such-set'.*shapes10"):
        load("no-such-set")


def test_root_is_the_variable_then_the_nearest_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("LATENTLAB_DATA", raising=False)
    package, deep = tmp_path / "src" / "data", tmp_path / "src" / "deep"
    package.mkdir(parents=True), deep.mkdir(), (tmp_path / "data").mkdir()
    (package / "__init__.py").touch()  # a Python package called data is not a place for data
    monkeypatch.chdir(deep)
    assert data_root() == tmp_path / "data"
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path / "elsewhere"))
    assert data_root() == tmp_path / "elsewhere"


def test_the_course_is_the_nearest_parent_that_holds_the_package(tmp_path, monkeypatch):
    deep = tmp_path / "course" / "notebooks"
    deep.mkdir(parents=True), (tmp_path / "course" / "src" / "latentlab").mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert repository() == tmp_path / "course"
    monkeypatch.chdir(tmp_path)
    assert repository() == Path(real.__file__).parents[3]


def test_binary_images():
    grey = torch.tensor([[0, 127, 0, 255], [128, 255, 0, 255]], dtype=torch.uint8).view(1, 1, 2, 4)
    assert binarise(grey).flatten().tolist() == [0, 0, 0, 1, 1, 1, 0, 1]
    assert binarise(grey, side=1).item() == 0 and binarise(grey[..., 2:], side=1).item() == 0  # just half is not more
    many = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(5000, 1, 1, 3)
    shares = binarise(many, sampled=True, generator=torch.Generator().manual_seed(0)).mean(0).flatten()
    assert shares[0] == 0 and abs(shares[1] - 0.2) < 0.03 and shares[2] == 1


def test_a_tall_picture_is_padded_in_the_middle():
    tall = torch.arange(1, 25, dtype=torch.uint8).view(1, 1, 6, 4)
    padded = to_input(tall, 10, 1)
    assert torch.equal(padded[:, :, 2:8, 3:7], tall) and padded.sum() == tall.sum()


def write_mnist(raw, n=30):
    """MNIST's own format: magic number, sizes (big-endian), bytes."""
    raw.mkdir(parents=True)
    rng, written = np.random.default_rng(0), {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(
            np.array([2051, n, 28, 28], ">i4").tobytes() + images.tobytes()
        )
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(np.array([2049, n], ">i4").tobytes() + labels.tobytes())
        written[split] = images, labels
    return written


@pytest.mark.parametrize("place", ["cache/MNIST/raw", "MNIST/raw"])
def test_mnist_is_read_from_both_places(tmp_path, place):
    written = write_mnist(tmp_path / place)
    for split, (images, labels) in written.items():
        data = load("mnist", split)
        assert np.array_equal(data.images[:, 0], images) and np.array_equal(data.labels, labels)
        assert data.name == "MNIST" and data.split == split


def test_damaged_mnist_says_what_to_do(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    broken = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    broken.write_bytes(broken.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="damaged.*Delete that folder.*download=True"):
        load("mnist")
    assert len(load("mnist", "test")) == 30


def test_cifar10_original_is_read_in_its_order(tmp_path, monkeypatch):
    folder, rng, lists = tmp_path / "cache" / "cifar-10-batches-py", np.random.default_rng(0), {}
    folder.mkdir(parents=True)
    names = [f"class {i}" for i in range(10)]
    batches = {"data_batch_1": None, "test_batch": None, "batches.meta": {"label_names": names}}
    for name in ("data_batch_1", "test_batch"):
        batches[name] = {
            "data": rng.integers(0, 256, (8, 3072), dtype=np.uint8),
            "labels": rng.integers(0, 10, 8).tolist(),
        }
    for name, content in batches.items():
        (folder / name).write_bytes(pickle.dumps(content))
        lists[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [["data_batch_1", lists["data_batch_1"]]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", lists["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {"filename": "batches.meta", "key": "label_names", "md5": lists["batches.meta"]})
    data = load("cifar10")
    assert np.array_equal(data.images, batches["data_batch_1"]["data"].reshape(8, 3, 32, 32))
    assert data.labels.tolist() == batches["data_batch_1"]["labels"] and data.name == "CIFAR-10"
    (folder / "test_batch").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        load("cifar10", "test")


def test_cifar10_falls_back_to_a_jpeg_copy_and_says_so(tmp_path):
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / "cache" / "cifar10" / split / name).mkdir(parents=True)
            for i in range(3):
                picture = Image.new("RGB", (32, 32), (80 * label + 40, 40 * i, 7))
                picture.save(tmp_path / "cache" / "cifar10" / split / name / f"{i}.jpg")
    data = load("cifar10", download=True)  # what is there needs no download
    assert (
        data.name == "CIFAR-10 (JPEG copy)" and data.images.shape == (6, 3, 32, 32) and data.classes == ("cat", "dog")
    )
    assert (data.images[:, 0].double().mean((1, 2)) - (80.0 * data.labels + 40)).abs().max() < 3


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_absent_data_says_what_to_do_and_fetches_nothing(tmp_path, name, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: pytest.fail("tried to download"))
    with pytest.raises(FileNotFoundError, match="download=True.*LATENTLAB_DATA.*quick profile"):
        load(name)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_leaves_nothing(tmp_path, monkeypatch):
    def broken(self):
        (tmp_path / "seen").touch()
        write_mnist(Path(self.raw_folder))  # some files arrive before the network goes
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", broken)
    with pytest.raises(ConnectionError, match="no route to host.*by hand.*quick profile"):
        load("mnist", download=True)
    assert (tmp_path / "seen").exists()
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["MNIST.lock"]


def test_a_download_is_made_once(tmp_path, monkeypatch):
    calls = []

    def fetch(self):
        calls.append(self.raw_folder)
        write_mnist(Path(self.raw_folder))

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fetch)
    a, b = (load("mnist", download=True) for _ in range(2))
    assert len(calls) == 1 and a.checksum == b.checksum
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["MNIST", "MNIST.lock"]


def test_the_environment_may_ask_for_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: write_mnist(Path(self.raw_folder)))
    monkeypatch.setenv("LATENTLAB_DOWNLOAD", "1")
    with pytest.raises(FileNotFoundError):
        load("mnist", download=False)
    assert len(load("mnist")) == 30


def test_who_waited_for_the_download_of_another_makes_none(tmp_path, monkeypatch):
    class Lock:
        def __init__(self, path):
            self.folder = path.parent / "MNIST" / "raw"

        def __enter__(self):
            write_mnist(self.folder)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(real, "FileLock", Lock)
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: pytest.fail("a second download"))
    assert len(load("mnist", download=True)) == 30
