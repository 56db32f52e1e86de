"""Tench: reproducible transfer learning on image folders.

Tench writes only to the project, DVC's cache and the temporary folder. Libraries that write to the
home folder are redirected here, before they are imported.
"""

import os
from pathlib import Path

LIBRARY_FILES = Path(__file__).parent.parent / ".dvc" / "tmp"  # ignored by git

# ONNX Runtime sends telemetry and writes a device id below ~/.cache. Its own function
# disable_telemetry_events runs too late to prevent it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Matplotlib writes a font list below ~/.cache and reads ~/.config/matplotlib/matplotlibrc.
os.environ.setdefault("MPLCONFIGDIR", str(LIBRARY_FILES / "matplotlib"))
# Keras writes keras.json and downloaded weights. An existing ~/.keras is used, for its downloads.
if not Path("~/.keras").expanduser().exists():
    os.environ.setdefault("KERAS_HOME", str(LIBRARY_FILES / "keras"))
