"""model.json: machine-readable description of an exported classifier."""

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
    "first frame; rotated upright by the EXIF orientation; transparency on white; CMYK, gray and "
    "16 bits per channel converted to 8-bit RGB; resized bicubically with antialiasing"
)
RESIZE_TEXTS = {
    "squash": "to a square, without keeping the aspect ratio",
    "crop": "so that the shorter side fits, then center-cropped",
    "pad": "so that the longer side fits, centered on a gray square (127, 127, 127)",
}


def describe_model(params: Params, classes: Sequence[str]) -> dict[str, Any]:
    """Describe input, outputs and classes, for model.json and the metadata of every model."""
    size, resize = params.data.image_size, params.data.resize
    return {
        "format": FORMAT_VERSION,
        "backbone": params.backbone.name,
        "classes": list(classes),
        "image": {
            "input": INPUT_NAME,
            "size": size,
            "resize": resize,
            "shape": ["n", size, size, 3],
            "dtype": "float32",
            "channels": "RGB",
            "range": [0, 255],
            "scaling": "inside the model",
            "reading": f"{DECODING_TEXT}, {RESIZE_TEXTS[resize]}",
        },
        "outputs": {
            "probabilities": "(n, classes), each row sums to 1",
            "pooled": "(n, channels), pooled features",
            "heat": "(n, h, w, classes), Grad-CAM before its ReLU",
        },
    }


def write_description(description: dict[str, Any], folder: Path, thresholds: Thresholds) -> None:
    """Write model.json: the description, thresholds, the digest of every other file and its own."""
    files = sorted(
        file for file in folder.rglob("*") if file.is_file() and file.name != DESCRIPTION_FILE
    )
    content = description | {
        "thresholds": thresholds._asdict(),
        "files": {
            file.relative_to(folder).as_posix(): {
                "sha256": file_sha256(file),
                "bytes": file.stat().st_size,
            }
            for file in files
        },
    }
    write_json(content | {"sha256": description_digest(content)}, folder / DESCRIPTION_FILE)
