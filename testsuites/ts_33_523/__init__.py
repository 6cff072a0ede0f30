"""TS 33.523: Security assurance for split gNB products."""
