"""From files to batches on the device: reading, checking, augmenting, keeping."""
