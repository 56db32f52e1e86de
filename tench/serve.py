"""Serve an exported classifier over HTTP: `python -m tench.serve`."""

from tench.deploy.serve.__main__ import main

if __name__ == "__main__":
    main()
