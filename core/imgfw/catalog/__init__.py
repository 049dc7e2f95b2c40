"""Finding plugins, loading each alone, and going from a name to a provider."""
