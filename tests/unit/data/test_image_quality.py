"""Image quality: content from prepared images, size and shape from raw headers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_images import read_prepared_unchecked, write_prepared_image

from tench.core.paths import PREPARED
from tench.data.audit import image_quality
from tench.data.audit.image_quality import ImageIssue, check_image_quality
from tench.data.audit.thumbnails import THUMBNAIL_SIZE, make_thumbnail
from tench.data.decode.resize import pixel_digest
from tench.data.index import Row

SIDE = 48


def rows(count: int) -> list[Row]:
    """Rows of an index without files."""
    return [
        Row(
            path=f"train/a/{number}.zip/a.webp",
            split="train",
            label=0,
            class_name="a",
            source=f"train/a/{number}.png",
            sha256=str(number),
            prepared_sha256=str(number),
            seen=0,
            feature_row=number,
        )
        for number in range(count)
    ]


def write(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


def prepared(image: Image.Image, row: Row) -> Row:
    """Write the prepared image of a row; return the row with its digest."""
    write_prepared_image(image, PREPARED / row.path)
    return row._replace(prepared_sha256=pixel_digest(image))


def found(issues: list[ImageIssue], kind: str) -> set[str]:
    return {issue.row.path for issue in issues if issue.kind == kind}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Twelve images of noise, raw and prepared; more than one task's worth."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image_quality, "IMAGES_PER_TASK", 5)
    rng = np.random.default_rng(0)
    index = rows(12)
    for number, row in enumerate(index):
        noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        write(noise.resize((200 + number, 200)), Path("raw", row.source))
        index[number] = prepared(noise, row)
    return index


def test_noise_of_one_size_has_no_issue(index: list[Row]) -> None:
    assert check_image_quality(index, Path("raw"))[0] == []


def test_thumbnails_are_in_the_order_of_the_rows(index: list[Row]) -> None:
    index[7] = prepared(Image.new("RGB", (SIDE, SIDE), (9, 9, 9)), index[7])
    _, thumbnails = check_image_quality(index, Path("raw"))
    assert thumbnails.shape == (12, THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    for row, thumbnail in zip(index, thumbnails, strict=True):
        image = Image.fromarray(read_prepared_unchecked(PREPARED / row.path))
        assert np.array_equal(thumbnail, make_thumbnail(image))
    assert (thumbnails[7] == 9).all()
    assert not (thumbnails[6] == 9).all()


def test_content_is_checked_in_the_prepared_image(index: list[Row]) -> None:
    index[7] = prepared(Image.new("RGB", (SIDE, SIDE), (3, 0, 0)), index[7])
    issues, _ = check_image_quality(index, Path("raw"))
    assert found(issues, "dark") == found(issues, "low_information") == {index[7].path}
    assert [issue.score for issue in issues] == sorted(issue.score for issue in issues)


def test_size_and_shape_are_read_from_headers_only(index: list[Row]) -> None:
    content = io.BytesIO()
    Image.new("RGB", (8000, 2000)).save(content, "PNG")
    # truncated after the header, so decoding would fail
    Path("raw", index[4].source).write_bytes(content.getvalue()[:60])
    issues, _ = check_image_quality(index, Path("raw"))
    assert found(issues, "odd_size") == found(issues, "odd_aspect_ratio") == {index[4].path}
    assert {issue.row.path for issue in issues} == {index[4].path}
