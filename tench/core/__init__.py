"""Errors, files, names, paths, parameters and constants. Imports no other package of Tench."""
