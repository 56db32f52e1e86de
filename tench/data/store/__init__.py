"""Read and verify prepared images and feature shards."""
