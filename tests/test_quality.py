"""Pictures that are hard to learn from: content by what the network sees, size by headers."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_pictures import get_prepared, put_prepared

from tench.audit import quality
from tench.audit.glances import GLANCE, glance
from tench.audit.quality import Issue, look_at
from tench.core.paths import PREPARED
from tench.pictures.index import Row
from tench.pictures.prepared import pixel_digest

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
            place=number,
        )
        for number in range(count)
    ]


def write(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)


def prepared(picture: Image.Image, row: Row) -> Row:
    """Write the prepared picture of a row; return the row with its digest."""
    put_prepared(picture, PREPARED / row.path)
    return row._replace(prepared_sha256=pixel_digest(picture))


def found(issues: list[Issue], kind: str) -> set[str]:
    return {issue.row.path for issue in issues if issue.kind == kind}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Twelve pictures of noise, raw and prepared; more than one part for the processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quality, "PART", 5)
    rng = np.random.default_rng(0)
    made = rows(12)
    for number, row in enumerate(made):
        noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        write(noise.resize((200 + number, 200)), Path("raw", row.source))
        made[number] = prepared(noise, row)
    return made


def test_noise_of_one_size_is_fine(index: list[Row]) -> None:
    assert look_at(index, Path("raw"))[0] == []


def test_every_picture_is_seen_at_a_glance_in_its_place(index: list[Row]) -> None:
    index[7] = prepared(Image.new("RGB", (SIDE, SIDE), (9, 9, 9)), index[7])
    _, seen = look_at(index, Path("raw"))
    assert seen.shape == (12, GLANCE, GLANCE)
    for row, one in zip(index, seen, strict=True):
        picture = Image.fromarray(get_prepared(PREPARED / row.path))
        assert np.array_equal(one, glance(picture))
    assert (seen[7] == 9).all()
    assert not (seen[6] == 9).all()


def test_content_is_judged_in_the_prepared_picture(index: list[Row]) -> None:
    index[7] = prepared(Image.new("RGB", (SIDE, SIDE), (3, 0, 0)), index[7])
    issues, _ = look_at(index, Path("raw"))
    assert found(issues, "dark") == found(issues, "low_information") == {index[7].path}
    assert [issue.score for issue in issues] == sorted(issue.score for issue in issues)


def test_size_and_shape_are_read_from_headers_alone(index: list[Row]) -> None:
    content = io.BytesIO()
    Image.new("RGB", (8000, 2000)).save(content, "PNG")
    # cut off after the header: whoever decodes it fails
    Path("raw", index[4].source).write_bytes(content.getvalue()[:60])
    issues, _ = look_at(index, Path("raw"))
    assert found(issues, "odd_size") == found(issues, "odd_aspect_ratio") == {index[4].path}
    assert {issue.row.path for issue in issues} == {index[4].path}
