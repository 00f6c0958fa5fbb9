"""The command line."""


def main() -> None:
    """Entry point of `penstock`."""
    # Imported late: parsing children import the console script anew and need none of this.
    from api.cli.app import app

    app()
