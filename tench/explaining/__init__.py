"""The model for the eye: where it looked in a picture."""
