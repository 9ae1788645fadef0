"""Installers on site: a customer's site, its devices one after the other, their settings on one sheet."""
