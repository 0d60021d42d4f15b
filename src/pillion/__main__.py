"""`python -m pillion` is the `pillion` command."""

from pillion.cli import main

if __name__ == "__main__":
    main()
