"""The version of the program: in data directories, the server's description and the package."""

__version__ = "0.1.0"
