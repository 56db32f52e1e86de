"""Find leaks, label errors and bad images. Never imports TensorFlow."""
