"""Obtain or generate the data sets of the stages `imagenette` and `sample`."""
