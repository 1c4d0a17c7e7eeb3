"""Tests of cmgit. Helpers that are no fixtures: from tests.conftest import write_files."""
