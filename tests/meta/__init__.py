"""Tests of cmgit.meta."""
