"""TS 33.514: Security assurance for Unified Data Management."""
