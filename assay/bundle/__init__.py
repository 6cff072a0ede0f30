"""Sealed bundles: made, verified by anyone, witnessed by a decoder that is not ours, redacted."""
