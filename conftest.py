pytest_plugins = ["assay.plugin"]
