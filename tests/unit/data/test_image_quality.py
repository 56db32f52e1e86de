"""Images that are hard to learn from: content by what the network sees, size by headers."""

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
    """Rows of an index, whose files are yet to be written."""
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
    """Twelve images of noise, raw and prepared; more than one part for the processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image_quality, "IMAGES_PER_TASK", 5)
    rng = np.random.default_rng(0)
    made = rows(12)
    for number, row in enumerate(made):
        noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        write(noise.resize((200 + number, 200)), Path("raw", row.source))
        made[number] = prepared(noise, row)
    return made


def test_noise_of_one_size_is_fine(index: list[Row]) -> None:
    assert check_image_quality(index, Path("raw"))[0] == []


def test_thumbnails_follow_the_order_of_the_images(index: list[Row]) -> None:
    index[7] = prepared(Image.new("RGB", (SIDE, SIDE), (9, 9, 9)), index[7])
    _, seen = check_image_quality(index, Path("raw"))
    assert seen.shape == (12, THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    for row, one in zip(index, seen, strict=True):
        image = Image.fromarray(read_prepared_unchecked(PREPARED / row.path))
        assert np.array_equal(one, make_thumbnail(image))
    assert (seen[7] == 9).all()
    assert not (seen[6] == 9).all()


def test_content_is_judged_in_the_prepared_image(index: list[Row]) -> None:
    index[7] = prepared(Image.new("RGB", (SIDE, SIDE), (3, 0, 0)), index[7])
    issues, _ = check_image_quality(index, Path("raw"))
    assert found(issues, "dark") == found(issues, "low_information") == {index[7].path}
    assert [issue.score for issue in issues] == sorted(issue.score for issue in issues)


def test_size_and_shape_are_read_from_headers_alone(index: list[Row]) -> None:
    content = io.BytesIO()
    Image.new("RGB", (8000, 2000)).save(content, "PNG")
    # cut off after the header: whoever decodes it fails
    Path("raw", index[4].source).write_bytes(content.getvalue()[:60])
    issues, _ = check_image_quality(index, Path("raw"))
    assert found(issues, "odd_size") == found(issues, "odd_aspect_ratio") == {index[4].path}
    assert {issue.row.path for issue in issues} == {index[4].path}
