"""Tests of cmgit.index."""
