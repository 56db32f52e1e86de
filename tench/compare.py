"""Compare experiments and commits: `python -m tench.compare`."""

from tench.report.compare.__main__ import main

if __name__ == "__main__":
    main()
