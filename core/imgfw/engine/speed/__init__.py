"""How fast a training is, what holds it back, and which settings are the fastest."""
