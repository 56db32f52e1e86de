"""Networks, weights, cached features, training, the linear probe, and explanations."""
