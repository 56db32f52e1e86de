"""Use an exported classifier: runtime, command line and HTTP server. Never imports TensorFlow."""
