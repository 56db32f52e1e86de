"""Read prepared images and feature shards, verified by their digests."""
