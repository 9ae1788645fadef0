"""What becomes of a serial: given away, asked for, replaced, freed after a year of silence."""
