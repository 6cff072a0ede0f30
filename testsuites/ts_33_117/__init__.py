"""TS 33.117: Catalogue of general security assurance requirements."""
