"""What an exported classifier wants and says, in words and figures for a program."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tench.core.files import file_sha256, write_json
from tench.core.params import Params
from tench.deploy.runtime.export_folder import (
    DESCRIPTION_FILE,
    FORMAT_VERSION,
    Thresholds,
    description_digest,
)
from tench.export.graph import INPUT_NAME

DECODING_TEXT = (
    "the first frame; upright by its EXIF orientation; transparency on white; CMYK, gray and 16 "
    "bits a channel as 8-bit RGB; resized bicubically with antialiasing"
)
RESIZE_TEXTS = {
    "squash": "to a square, whatever the aspect ratio",
    "crop": "so that the shorter side fits, the middle of the longer one",
    "pad": "so that the longer side fits, in the middle of a gray square (127, 127, 127)",
}


def describe_model(params: Params, classes: Sequence[str]) -> dict[str, Any]:
    """What goes into the metadata of every format."""
    size, how = params.data.image_size, params.data.resize
    return {
        "format": FORMAT_VERSION,
        "backbone": params.backbone.name,
        "classes": list(classes),
        "image": {
            "input": INPUT_NAME,
            "size": size,
            "resize": how,
            "shape": ["n", size, size, 3],
            "dtype": "float32",
            "channels": "RGB",
            "range": [0, 255],
            "scaling": "inside the model",
            "reading": f"{DECODING_TEXT}, {RESIZE_TEXTS[how]}",
        },
        "outputs": {
            "probabilities": "(n, classes), they sum to 1",
            "pooled": "(n, channels), the pooled features",
            "heat": "(n, h, w, classes), Grad-CAM before its ReLU",
        },
    }


def write_description(description: dict[str, Any], folder: Path, trust: Thresholds) -> None:
    """Write DESCRIPTION into a folder, with trust, the digests of all other files, and its own."""
    files = sorted(
        file for file in folder.rglob("*") if file.is_file() and file.name != DESCRIPTION_FILE
    )
    content = description | {
        "trust": trust._asdict(),
        "files": {
            file.relative_to(folder).as_posix(): {
                "sha256": file_sha256(file),
                "bytes": file.stat().st_size,
            }
            for file in files
        },
    }
    write_json(content | {"sha256": description_digest(content)}, folder / DESCRIPTION_FILE)
