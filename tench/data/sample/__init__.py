"""Draw the synthetic sample images from a seed."""
