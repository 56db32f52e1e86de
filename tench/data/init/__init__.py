"""Look at a folder of your own images and write params.yaml for it."""
