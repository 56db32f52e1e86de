"""What is wrong with the data: leaks, labels, bad pictures. Never imports TensorFlow."""
