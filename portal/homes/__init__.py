"""An owner's homes: which there are, what they are called, and who may look."""
