"""What a run leaves behind: its folder, its checkpoints, and what is read of them again."""
