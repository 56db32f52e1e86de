"""An exported classifier in use. Never imports TensorFlow."""
