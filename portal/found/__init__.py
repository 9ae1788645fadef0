"""Devices that speak through an owner's login and belong to no inverter yet: adopted with one click, or hidden."""
