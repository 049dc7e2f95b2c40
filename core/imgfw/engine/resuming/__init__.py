"""Going on with a run that was stopped, and proving that nothing changed by it."""
