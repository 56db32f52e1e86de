"""Tench: reproducible transfer learning for image folders. The library the stages share.

Nothing is written outside the project, DVC's cache and the temporary folder. Libraries that would
write into the user's home are told so here, before any of them is imported.
"""

import os
from pathlib import Path

LIBRARIES = Path(__file__).parent.parent / ".dvc" / "tmp"  # ignored by git, kept between runs

# ONNX Runtime sends telemetry, and writes a device id below ~/.cache. Its own function,
# disable_telemetry_events, comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Matplotlib writes a list of fonts below ~/.cache, and reads ~/.config/matplotlib/matplotlibrc.
os.environ.setdefault("MPLCONFIGDIR", str(LIBRARIES / "matplotlib"))
# Keras writes keras.json and downloaded weights. Who uses Keras already shares its downloads.
if not Path("~/.keras").expanduser().exists():
    os.environ.setdefault("KERAS_HOME", str(LIBRARIES / "keras"))
