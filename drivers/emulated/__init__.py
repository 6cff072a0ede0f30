"""Emulated network functions, conforming by default, and the peers around a product."""
