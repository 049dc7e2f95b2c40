"""What a plugin author sees. The names are public as `imgfw.NAME`."""
