"""Raw and prepared images by their content alone, as a machine gets them that sees no files."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tench.data.decode import raw_image as raws
from tench.data.decode.raw_image import RawImage, load_content
from tench.data.decode.resize import RGB, pixel_digest, to_webp
from tench.data.prepare.prepare_images import prepare_image
from tench.model.embed.litert import Features, embed_files


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """An image, a torn one, a text, an empty file and a pipe."""
    noise = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    names = ("whole.png", "torn.png", "text.jpg", "empty.jpg", "pipe.jpg")
    whole, torn, text, empty, pipe = found = [tmp_path / name for name in names]
    Image.fromarray(noise).save(whole)
    torn.write_bytes(whole.read_bytes()[:900])
    text.write_text("no image")
    empty.touch()
    os.mkfifo(pipe)
    return found


def test_a_file_that_is_not_seen_is_prepared_as_one_that_is(files: list[Path]) -> None:
    here = [prepare_image(RawImage(file), 32, "squash") for file in files]
    sent = [pickle.dumps(load_content(RawImage(file))) for file in files]
    for file in files:
        file.unlink()
    assert [prepare_image(pickle.loads(one), 32, "squash") for one in sent] == here
    assert [bool(one.reason) for one, _ in here] == [False, True, True, True, True]


def test_oversized_and_missing_uploads_are_reported(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raws, "MAX_BYTES", 900)
    assert load_content(RawImage(files[1])).content
    assert load_content(RawImage(files[0])) == RawImage(files[0], None, raws.TOO_LARGE)
    with pytest.raises(FileNotFoundError):
        load_content(RawImage(files[0].with_name("gone.png")))


def test_a_batch_with_a_damaged_image_comes_back_as_none() -> None:
    def means(images: RGB) -> Features:
        return [images.mean((1, 2), dtype=np.float32)]

    images = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in (1, 2)]
    sound = [(to_webp(one), pixel_digest(one)) for one in images]
    (found,) = embed_files(means, sound) or []
    assert found[:, 0].tolist() == [1, 2]
    for damaged in (b"", b"no image", sound[0][0]):  # the last is another image
        assert embed_files(means, [sound[0], (damaged, sound[1][1])]) is None
    assert embed_files(means, []) is None
