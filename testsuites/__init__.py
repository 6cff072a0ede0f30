"""What 3GPP asks: a folder per specification, a module per test case."""
