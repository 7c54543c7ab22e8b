"""Folders of images and their cache: right pixels, clear errors, one decoder at a time, never a half-written file."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latentlab.data import cache, folder, load

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path / "data"))


def picture(path, size=(10, 8), mode="RGB", **options):
    """A random picture of (width, height) is written; returns its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) + ((3,) if mode == "RGB" else ())
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.fixture
def pets(tmp_path):
    """Two classes with train (4 + 6) and test (2 + 2); returns the folder and its pixels by file."""
    counts = {("train", "cat"): 4, ("train", "dog"): 6, ("test", "cat"): 2, ("test", "dog"): 2}
    files = [tmp_path / "pets" / split / name / f"{i}.png" for (split, name), n in counts.items() for i in range(n)]
    return tmp_path / "pets", {file: picture(file) for file in files}


def stored(tmp_path, pattern="*"):
    return sorted(p.name for p in (tmp_path / "data" / "cache" / "decoded").glob(pattern))


def get(pets, split="train", **options):
    return load(pets[0], split, **options)


def test_every_image_is_there_once_with_its_class(pets, tmp_path):
    for split, n in (("train", 10), ("test", 4)):
        data = get(pets, split)
        assert data.images.shape == (n, 3, 8, 10) and data.classes == ("cat", "dog") and data.name == "pets"
        found = {
            (data.classes[y], image.permute(1, 2, 0).numpy().tobytes())
            for image, y in zip(data.images, data.labels, strict=True)
        }
        assert found == {(f.parent.name, px.tobytes()) for f, px in pets[1].items() if f.parent.parent.name == split}


def test_classes_are_mixed_so_that_the_first_images_hold_several(tmp_path):
    for name in ("a", "b", "c"):
        for i in range(20):
            picture(tmp_path / "set" / "train" / name / f"{i}.png", (4, 4))
    assert len(load(tmp_path / "set").first(12).labels.unique()) == 3


def test_a_folder_without_splits_is_split_within_each_class(tmp_path):
    pixels = {picture(tmp_path / "set" / name / f"{i}.png", (4, 4)).tobytes() for name in "ab" for i in range(11)}
    train, test = (load(tmp_path / "set", split) for split in ("train", "test"))
    assert train.labels.bincount().tolist() == [8, 8] and test.labels.bincount().tolist() == [3, 3]
    assert {i.permute(1, 2, 0).numpy().tobytes() for i in torch.cat([train.images, test.images])} == pixels


def test_hidden_and_nested_files(pets):
    for hidden in ("train/.git/0.png", "train/__pycache__/0.png", "train/cat/._0.png"):
        picture(pets[0] / hidden)
    picture(pets[0] / "train" / "cat" / "more" / "0.PNG")
    (pets[0] / "train" / "cat" / "notes.txt").write_text("no image")
    assert load(pets[0]).classes == ("cat", "dog") and load(pets[0]).labels.bincount().tolist() == [5, 6]


def test_more_images_than_one_block_keep_their_order(pets, monkeypatch):
    whole = load(pets[0])
    monkeypatch.setattr(folder, "BLOCK", 4)
    monkeypatch.setenv("LATENTLAB_DATA", str(pets[0]))
    assert load(pets[0]).checksum == whole.checksum


def test_one_image_in_a_class_and_no_points_are_refused(tmp_path):
    for name in ("a/0.png", "a/1.png", "b/0.png"):
        picture(tmp_path / "set" / name)
    with pytest.raises(ValueError, match="b holds one image"):
        load(tmp_path / "set")
    with pytest.raises(ValueError, match="at least 1 point"):
        load(tmp_path / "set", size=0)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train/0.png", "train/1.png", "bus/0.png", "bus/1.png"):
        picture(tmp_path / "set" / name)
    assert load(tmp_path / "set", "test").classes == ("bus", "train")


def test_a_relative_path_is_found_under_the_root(pets, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path))
    assert len(load("pets", "test")) == 4


def test_grey_palette_and_camera_rotation_become_upright_rgb(tmp_path):
    grey = picture(tmp_path / "set" / "train" / "a" / "0.png", (6, 6), mode="L")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the picture turned clockwise
    turned = picture(tmp_path / "set" / "train" / "b" / "0.png", (6, 6), exif=exif)
    data = load(tmp_path / "set")
    images = dict(zip(data.labels.tolist(), data.images.numpy(), strict=True))
    assert all(np.array_equal(channel, grey) for channel in images[0])
    assert np.array_equal(images[1].transpose(1, 2, 0), np.rot90(turned, -1))


def test_unequal_sizes_name_both_files_and_the_way_out(pets, tmp_path):
    odd = pets[0] / "train" / "dog" / "odd.png"
    picture(odd, (12, 9))
    with pytest.raises(ValueError, match=r"10×8.*size=64") as caught:
        get(pets)
    assert str(odd) in str(caught.value) and "12×9" in str(caught.value) and str(caught.value).count(".png") == 2
    assert stored(tmp_path, "*.npy") == stored(tmp_path, "*.tmp") == []
    assert get(pets, size=6).images.shape == (11, 3, 6, 6)


def test_size_scales_the_shorter_side_and_keeps_the_centre(tmp_path):
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200  # only the middle is bright
    (tmp_path / "set" / "train" / "a").mkdir(parents=True)
    Image.fromarray(wide).save(tmp_path / "set" / "train" / "a" / "0.png")
    assert load(tmp_path / "set").images.shape == (1, 3, 10, 30)
    assert (load(tmp_path / "set", size=20).images[0, :, :, 4:-4] == 200).all()


def test_damaged_images_are_all_named(pets, tmp_path):
    cut, text = pets[0] / "train" / "cat" / "0.png", pets[0] / "train" / "dog" / "3.png"
    cut.write_bytes(cut.read_bytes()[:-60])
    text.write_text("not an image")
    with pytest.raises(ValueError, match="2 images of 10 cannot be decoded") as caught:
        get(pets)
    assert str(cut) in str(caught.value) and str(text) in str(caught.value)
    assert stored(tmp_path, "*.npy") == stored(tmp_path, "*.json") == stored(tmp_path, "*.tmp") == []
    assert len(get(pets, "test")) == 4


def test_missing_folders_splits_files_and_empty_classes_are_named(pets, tmp_path):
    with pytest.raises(FileNotFoundError, match="valid.*Found: test, train"):
        get(pets, "valid")
    (pets[0] / "train" / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(FileNotFoundError, match="gone.png"):
        get(pets)
    (pets[0] / "test" / "bird").mkdir()
    with pytest.raises(ValueError, match="bird holds no image"):
        get(pets, "test")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="no folders inside"):
        load(tmp_path / "bare")


def test_second_load_decodes_nothing_and_maps_the_file(pets, tmp_path, monkeypatch):
    first = get(pets)
    monkeypatch.setattr(folder, "_decode", lambda *a: pytest.fail("decoded again"))
    second = get(pets)
    assert torch.equal(first.images, second.images) and first.checksum == second.checksum
    second.images[0] = 0  # stays in this process
    assert torch.equal(get(pets).images, first.images)


def test_a_changed_source_is_decoded_again(pets, tmp_path):
    before, file = get(pets), pets[0] / "train" / "cat" / "1.png"
    pixels = picture(file)
    after = get(pets)
    assert before.checksum != after.checksum
    assert any(np.array_equal(image.permute(1, 2, 0), pixels) for image in after.images)
    assert len(stored(tmp_path, "*.npy")) == 1


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "no images", "no text", "bad text"])
def test_a_damaged_cache_is_rebuilt(pets, tmp_path, harm):
    before = get(pets)
    images, text = (
        tmp_path / "data" / "cache" / "decoded" / stored(tmp_path, f"*.{kind}")[0] for kind in ("npy", "json")
    )
    content = bytearray(images.read_bytes())
    pixels, checksum = before.images.clone(), before.checksum
    del before
    content[-5] ^= 1
    actions = {
        "flip": lambda: images.write_bytes(content),
        "cut": lambda: images.write_bytes(content[:-100]),
        "empty": lambda: images.write_bytes(b""),
        "no images": images.unlink,
        "no text": text.unlink,
        "bad text": lambda: text.write_text('{"finger'),
    }
    actions[harm]()
    after = get(pets)
    assert torch.equal(after.images, pixels) and after.checksum == checksum
    assert stored(tmp_path, "*.tmp") == []


class FullDisk:
    """A file that takes 100 bytes."""

    def __init__(self, file):
        self.file, self.room = file, 100

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)


def full_disk_open(path, mode):
    file = open(path, mode)  # noqa: SIM115
    return FullDisk(file) if mode == "wb" else file


def test_a_full_disk_is_said_and_leaves_nothing(pets, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "open", full_disk_open, raising=False)
    with pytest.raises(OSError, match="disk is full.*LATENTLAB_DATA") as caught:
        get(pets)
    assert caught.value.errno == errno.ENOSPC
    assert all(name.endswith(".lock") for name in stored(tmp_path))
    monkeypatch.undo()
    assert len(get(pets)) == 10


@pytest.mark.parametrize("reason", ["EACCES", "EPERM", "EROFS", "ENOLCK"])
def test_a_folder_that_cannot_be_written_is_read_all_the_same(pets, tmp_path, monkeypatch, reason):
    def refuse(path):
        raise OSError(getattr(errno, reason), "No")

    monkeypatch.setattr(cache, "FileLock", refuse)
    with pytest.warns(UserWarning, match="cannot be written"):
        uncached = get(pets)
    assert stored(tmp_path) == []
    monkeypatch.undo()
    made = get(pets)
    assert made.checksum == uncached.checksum
    monkeypatch.setattr(cache, "FileLock", refuse)
    monkeypatch.setattr(folder, "_decode", lambda *a: pytest.fail("the cache that is there was not used"))
    assert get(pets).checksum == made.checksum


def test_of_two_at_once_one_decodes_and_the_other_waits(tmp_path):
    """Two locks exclude each other also within one process, so two threads show what two processes do."""
    calls, results = [], []

    def blocks():
        calls.append(threading.get_ident())
        for i in range(3):
            time.sleep(0.05)
            yield np.full((2, 1, 4, 4), i, dtype=np.uint8)

    def ask():
        results.append(cache.cached(tmp_path / "set.npy", "print", torch.zeros(6, dtype=torch.int64), blocks))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert len(calls) == 1 and len(results) == 4
    assert all(images[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2] for images in results)


SLOW = """
import sys, time, numpy as np, torch
from pathlib import Path
from latentlab.data.cache import cached
def blocks():
    yield np.zeros((1, 1, 200, 200), dtype=np.uint8)
    print("decoding", flush=True)
    time.sleep(60)
cached(Path(sys.argv[1]), "print", torch.zeros(2, dtype=torch.int64), blocks)
"""


def test_a_killed_process_leaves_no_lock_and_no_half_file(tmp_path):
    target = tmp_path / "set.npy"
    source = str(Path(cache.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(target)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout.readline() == "decoding\n"
    assert list(tmp_path.glob("*.tmp")) and not target.exists()
    result = []

    def wait():
        blocks = [np.ones((2, 1, 3, 3), dtype=np.uint8)]
        result.append(cache.cached(target, "print", torch.zeros(2, dtype=torch.int64), lambda: iter(blocks)))

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()  # the other process holds the lock
    child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    child.wait()
    child.stdout.close()
    waiting.join(20)
    assert result and bool((result[0] == 1).all())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set.json", "set.lock", "set.npy"]
