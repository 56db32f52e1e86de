"""The reference set of an export: training images to find nearest neighbors among."""

import io
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
from PIL import Image

from tench.core.files import write_csv
from tench.core.parallel import map_in_threads
from tench.data.decode.resize import resize
from tench.data.index import Row, rows_in_split
from tench.data.split.eval_subset import REFERENCE_IMAGES, evenly_spaced_rows
from tench.data.store.prepared_images import read_eval_image
from tench.deploy.runtime.backends import RunModel
from tench.deploy.runtime.export_folder import (
    REFERENCE_FEATURES_FILE,
    REFERENCE_IMAGES_FILE,
    REFERENCE_ROWS_FILE,
)
from tench.deploy.runtime.neighbors import ReferenceSet, normalize_vectors
from tench.export.verify import predict_rows

REFERENCE_IMAGE_SIZE = 96  # pixels, width and height of a thumbnail


def encode_small_image(row: Row) -> bytes:
    """Encode a prepared image as a WebP thumbnail."""
    out = io.BytesIO()
    image = resize(Image.fromarray(read_eval_image(row)), REFERENCE_IMAGE_SIZE)
    image.save(out, "WEBP", quality=70, method=0)
    return out.getvalue()


def write_reference_set(rows: Sequence[Row], run_model: RunModel, folder: Path) -> ReferenceSet:
    """Write features, names and thumbnails of up to REFERENCE_IMAGES training images.

    Args:
        rows: Rows of the index.
        run_model: The exported classifier.
        folder: The export folder.
    """
    chosen = evenly_spaced_rows(rows_in_split(rows, "train"), REFERENCE_IMAGES)
    _, pooled = predict_rows(chosen, run_model, "export reference set")
    features = normalize_vectors(pooled).astype(np.float16)
    np.save(folder / REFERENCE_FEATURES_FILE, features)
    names = [{"path": row.source, "class_name": row.class_name} for row in chosen]
    write_csv(names[0], (name.values() for name in names), folder / REFERENCE_ROWS_FILE)
    with ZipFile(folder / REFERENCE_IMAGES_FILE, "w") as archive:
        for index, content in enumerate(map_in_threads(encode_small_image, chosen)):
            archive.writestr(ZipInfo(f"{index}.webp"), content)
    return ReferenceSet(features.astype(np.float32), names, folder / REFERENCE_IMAGES_FILE)
