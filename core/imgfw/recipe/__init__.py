"""The recipe: its schema; reading, resolving, checking and explaining it."""
