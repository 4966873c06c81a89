"""What runs: parent, keeper, workers, HTTP."""
