"""`python -m netbench` is the command line."""

from netbench.cli import main

if __name__ == "__main__":
    main()
