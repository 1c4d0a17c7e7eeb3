"""The bare repositories of a home over HTTP."""

from .server import Server

__all__ = ["Server"]
