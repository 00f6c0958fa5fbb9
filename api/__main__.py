"""`python -m api` is `penstock`."""

from api.cli import main

if __name__ == "__main__":
    main()
