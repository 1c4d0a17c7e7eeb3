"""Tests of mirrors; the other side is the real Git."""
