"""Image folders on disk: the index, and everything that reads, prepares, splits or audits them."""
