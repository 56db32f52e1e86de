"""Find leaks, label errors and low-quality images. Never imports TensorFlow."""
