"""TS 33.326: Security assurance for the Network Slice-specific Authentication and Authorisation Function."""
