"""The training pictures that an export carries along, to tell how far others lie from them."""

import io
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
from PIL import Image

from tench.core.files import write_csv
from tench.core.parallel import in_threads
from tench.exported.folder import NEIGHBOUR_PICTURES, NEIGHBOUR_ROWS, NEIGHBOURS
from tench.exported.neighbours import Neighbours, unit
from tench.exported.runtimes import Ask
from tench.exporting.scoring import said_of
from tench.pictures.asked import KNOWN, some
from tench.pictures.checked import read_asked
from tench.pictures.index import Row, of_split
from tench.pictures.prepared import resize

SIDE = 96  # pixels of their small pictures


def small(row: Row) -> bytes:
    """A prepared picture at SIDE pixels a side, WebP."""
    out = io.BytesIO()
    picture = resize(Image.fromarray(read_asked(row)), SIDE)
    picture.save(out, "WEBP", quality=70, method=0)
    return out.getvalue()


def write_known(rows: Sequence[Row], ask: Ask, folder: Path) -> Neighbours:
    """Write the features, names and small pictures of training pictures to an export's folder.

    Args:
        rows: of the index.
        ask: the exported classifier.
        folder: of the export.
    """
    kept = some(of_split(rows, "train"), KNOWN)
    _, pooled = said_of(kept, ask, "export known")
    features = unit(pooled).astype(np.float16)
    np.save(folder / NEIGHBOURS, features)
    names = [{"path": row.source, "class_name": row.class_name} for row in kept]
    write_csv(names[0], (name.values() for name in names), folder / NEIGHBOUR_ROWS)
    with ZipFile(folder / NEIGHBOUR_PICTURES, "w") as archive:
        for place, content in enumerate(in_threads(small, kept)):
            archive.writestr(ZipInfo(f"{place}.webp"), content)
    return Neighbours(features.astype(np.float32), names, folder / NEIGHBOUR_PICTURES)
