"""What every room may use: errors, parameters, paths, names, tables, threads. Imports no other."""
