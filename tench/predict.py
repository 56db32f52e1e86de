"""Predict images with an exported classifier: `python -m tench.predict`."""

from tench.deploy.predict.__main__ import main

if __name__ == "__main__":
    main()
