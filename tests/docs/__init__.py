"""What the documents promise about the code is checked here, and what can be generated is generated."""
