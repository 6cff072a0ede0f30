"""One campaign, many formats: a module each."""
