"""Errors, files, names, paths, parameters and constants: pure code that imports nothing of ours."""
