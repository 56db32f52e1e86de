"""Find the images of a raw folder or CSV file, with their classes, splits and groups."""
