"""A raw folder on its way in: which files there are, on which side of the split, at a glance."""
