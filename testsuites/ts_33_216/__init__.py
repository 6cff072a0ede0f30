"""TS 33.216: Security assurance for the eNodeB."""
