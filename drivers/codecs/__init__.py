"""Bytes to types and back: pure, without I/O."""
