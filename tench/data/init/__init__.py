"""Set up params.yaml for a folder of your own images."""
