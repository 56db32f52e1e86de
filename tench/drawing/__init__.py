"""The sample's pictures, drawn from a seed."""
