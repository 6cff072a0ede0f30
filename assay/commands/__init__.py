"""Groups of commands, each registered in `assay.cli` by one line."""
