"""An exported classifier in use: its folder, its runtimes, its answers; no TensorFlow, no stage."""
