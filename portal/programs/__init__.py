"""What every answer to a program has in common: tags, pages, tables, refusals, and the description of it all."""
