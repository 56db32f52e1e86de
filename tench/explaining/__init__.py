"""The model for the eye: where it looked in a picture, and what it is made of."""
