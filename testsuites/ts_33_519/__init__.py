"""TS 33.519: Security assurance for the Network Exposure Function."""
