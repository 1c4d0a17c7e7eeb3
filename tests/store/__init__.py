"""Tests of cmgit.store; the reference is the real Git."""
