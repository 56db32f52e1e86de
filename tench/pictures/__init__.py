"""Pictures and what is kept of them: reading, resizing, the index, feature shards."""
