"""TR 33.818: Security assurance for 3GPP virtualised network products (Release 17 study)."""
