"""An owner's inverters: list, add, rename, delete."""
