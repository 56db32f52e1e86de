"""List the backbones: `python -m tench.backbones`."""

from tench.model.list_backbones import main

if __name__ == "__main__":
    main()
