"""What fuzzing of the readers is made of: tiny presets of every layout, and ways to spoil them."""
