"""`python -m imgfw` is the `imgfw` command."""

from imgfw.cli import main

if __name__ == "__main__":
    main()
